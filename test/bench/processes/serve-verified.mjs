import { readFileSync } from 'node:fs';
import express from 'express';
import jwt from 'jsonwebtoken';

/** A service without revocation: Express, and jsonwebtoken with a public key. Prints when it listens, as a service does. */
const key = readFileSync(process.env.PUBLIC_KEY_FILE ?? '', 'utf8');
const { ISSUER: issuer, AUDIENCE: audience, PORT } = process.env;
const app = express();
app.use((request, response, next) => {
  try {
    request.user = jwt.verify(request.headers.authorization?.slice('Bearer '.length) ?? '', key, {
      algorithms: ['RS256'],
      issuer,
      audience,
    });
    next();
  } catch {
    response.status(401).end();
  }
});
app.get('/prices', (request, response) => response.json({ for: request.user.sub }));
app.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('{"event":"listening"}\n'));
