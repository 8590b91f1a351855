import type { RequestHandler } from 'express';
import express from 'express';

const { INTROSPECTION_URL = '', FEED_CLIENT_SECRET: clientSecret = '', PORT = '8000' } = process.env;
const authorization = `Basic ${Buffer.from(`orders:${clientSecret}`).toString('base64')}`;
const signedIn: RequestHandler = async (request, response, next) => {
  const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
  const body = new URLSearchParams({ token });
  const answer = await fetch(INTROSPECTION_URL, { method: 'POST', headers: { authorization }, body });
  const { active, sub } = (await answer.json()) as { active?: boolean; sub?: string };
  if (active !== true) return void response.status(401).json({ message: 'Log in, please.' });
  response.locals.sub = sub;
  next();
};

const app = express();
app.get('/orders', signedIn, (_request, response) => {
  response.json({ for: response.locals.sub });
});
app.listen(Number(PORT), '127.0.0.1');
