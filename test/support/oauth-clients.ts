import { randomBytes } from 'node:crypto';
import type { CryptoKey, JWK } from 'jose';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** An application with its credentials. */
export interface ProvingClient {
  readonly clientId: string;
  readonly method: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';
  readonly secret: string;
  readonly key: CryptoKey;
  readonly kid: string;
}

/** The applications, one for each authentication method. */
export const CLIENT_IDS = ['page', 'backend~basic', 'backend+post', 'backend-RS256', 'backend-ES256'];

/** One client for each authentication method, and their entries in CLIENTS_FILE. */
export async function provingClients() {
  // Secrets with characters that form-encoding changes (RFC 6749 section 2.3.1).
  const secret = () => `${randomBytes(24).toString('base64')}+ %:é/=`;
  const keys = { RS256: await generateKeyPair('RS256'), ES256: await generateKeyPair('ES256') };
  const clients: Record<string, ProvingClient> = {};
  const file: Record<string, object> = {};
  const add = (client: ProvingClient, jwk?: JWK) => {
    const { clientId, method } = client;
    clients[clientId] = client;
    file[clientId] = {
      name: `Application ${clientId}`,
      authMethod: method,
      ...(method.startsWith('client_secret') ? { secrets: [client.secret] } : {}),
      ...(jwk === undefined ? {} : { jwks: { keys: [jwk] } }),
    };
  };
  const unused = { secret: '', key: keys.RS256.privateKey, kid: '' };
  add({ ...unused, clientId: 'page', method: 'none' });
  add({ ...unused, clientId: 'backend~basic', method: 'client_secret_basic', secret: secret() });
  add({ ...unused, clientId: 'backend+post', method: 'client_secret_post', secret: secret() });
  for (const [alg, { privateKey, publicKey }] of Object.entries(keys)) {
    const kid = `key-${alg}`;
    const jwk = { ...(await exportJWK(publicKey)), kid, alg };
    add({ ...unused, clientId: `backend-${alg}`, method: 'private_key_jwt', key: privateKey, kid }, jwk);
  }
  return { clients: Object.values(clients), file };
}

/** RFC 7523 section 2.2. */
export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** A client assertion (RFC 7523 section 3). */
export function assertionOf({ clientId, key, kid }: ProvingClient, audience: string): Promise<string> {
  return new SignJWT({ iss: clientId, sub: clientId, aud: audience, jti: randomBytes(12).toString('hex') })
    .setProtectedHeader({ alg: kid.replace('key-', ''), kid })
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(key);
}

/** The client authentication in a body; nothing if it is in a header. */
export async function proofOf(client: ProvingClient, audience: string): Promise<Record<string, string>> {
  const { clientId, method, secret } = client;
  if (method === 'none') return { client_id: clientId };
  if (method === 'private_key_jwt') {
    return { client_assertion: await assertionOf(client, audience), client_assertion_type: JWT_BEARER };
  }
  return method === 'client_secret_post' ? { client_id: clientId, client_secret: secret } : {};
}
