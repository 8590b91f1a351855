import { readFileSync } from 'node:fs';
import type { RequestHandler } from 'express';
import express from 'express';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';

const { ISSUER: issuer = '', PUBLIC_KEY_FILE = '', REDIS_SOCKET = '', PORT = '8000' } = process.env;
const redis = new Redis({ path: REDIS_SOCKET });
const key = readFileSync(PUBLIC_KEY_FILE, 'utf8');
const signedIn: RequestHandler = async (request, response, next) => {
  try {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const payload = jwt.verify(token, key, { algorithms: ['RS256'], issuer, audience: 'orders' }) as jwt.JwtPayload;
    if (await redis.exists(`denied:${payload.sid}`)) throw new Error('logged out');
    response.locals.sub = payload.sub;
  } catch {
    return void response.status(401).json({ message: 'Log in, please.' });
  }
  next();
};

const app = express();
app.get('/orders', signedIn, (_request, response) => {
  response.json({ for: response.locals.sub });
});
app.listen(Number(PORT), '127.0.0.1');
