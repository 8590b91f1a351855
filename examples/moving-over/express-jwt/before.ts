import { readFileSync } from 'node:fs';
import type { ErrorRequestHandler } from 'express';
import express from 'express';
import type { Request } from 'express-jwt';
import { expressjwt, UnauthorizedError } from 'express-jwt';

const { ISSUER: issuer = '', PUBLIC_KEY_FILE = '', PORT = '8000' } = process.env;
const secret = readFileSync(PUBLIC_KEY_FILE, 'utf8');
const signedIn = expressjwt({ secret, issuer, audience: 'orders', algorithms: ['RS256'] });
const refused: ErrorRequestHandler = (error, _request, response, next) => {
  if (!(error instanceof UnauthorizedError)) return next(error);
  response.status(401).json({ message: 'Log in, please.' });
};

const app = express();
app.get('/orders', signedIn, (request: Request, response) => {
  response.json({ for: request.auth?.sub });
});
app.use(refused);
app.listen(Number(PORT), '127.0.0.1');
