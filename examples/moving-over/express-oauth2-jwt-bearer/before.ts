import express from 'express';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';

const { ISSUER: issuer = '', PORT = '8000' } = process.env;
const jwksUri = `${issuer}/.well-known/jwks.json`;
const signedIn = auth({ issuer, jwksUri, audience: 'orders', tokenSigningAlg: 'RS256' });

const app = express();
app.get('/orders', signedIn, requiredScopes('orders:read'), (request, response) => {
  response.json({ for: request.auth?.payload.sub });
});
app.listen(Number(PORT), '127.0.0.1');
