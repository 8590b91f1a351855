import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { option } from '@rescind/revocation/options';

/** The value of `Authorization` (RFC 7617, UTF-8). */
export function basicAuthorization(clientId: string, clientSecret: string): string {
  return `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

const secretsById = option.record(option.text('a secret that is not empty'), { least: 0 });

/**
 * Tells whose credential (HTTP Basic, RFC 7617) a request carries: for `createRevocationsHandler`. Takes the same time
 * for an unknown client as for a wrong secret.
 * @param clients client ids and their secrets
 * @throws TypeError a client id with a colon or an empty secret
 */
export function createBasicAuthenticator(
  clients: Readonly<Record<string, string>>,
): (request: IncomingMessage) => string | undefined {
  const known = new Map<string, Buffer>();
  for (const [id, secret] of Object.entries(secretsById(clients, 'clients'))) {
    if (id === '' || id.includes(':')) throw new TypeError('clients must have ids without a colon');
    known.set(id, digest(secret));
  }
  const dummyDigest = digest('');
  return (request) => {
    const encoded = /^Basic ([A-Za-z0-9+/]{1,2048}={0,2})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (encoded === undefined) return undefined;
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 1) return undefined;
    const id = text.slice(0, colon);
    const expected = known.get(id);
    const same = timingSafeEqual(digest(text.slice(colon + 1)), expected ?? dummyDigest);
    return same && expected !== undefined ? id : undefined;
  };
}
