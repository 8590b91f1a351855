import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { oneHeader, readBasic } from '@rescind/revocation/http';
import { option } from '@rescind/revocation/options';

const digest = (text: string) => createHash('sha256').update(text).digest();

const secretsById = option.record(option.text('a secret that is not empty'), { least: 0 });

/**
 * Tells whose credential (HTTP Basic, RFC 7617) a request carries: for `createRevocationsHandler`. Takes the same time
 * for an unknown client as for a wrong secret. The returned function throws RescindError `request_invalid` for two `Authorization` headers.
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
    const credentials = readBasic(oneHeader(request.rawHeaders, 'authorization'));
    if (credentials === undefined) return undefined;
    const { id, secret } = credentials;
    const expected = known.get(id);
    const same = timingSafeEqual(digest(secret), expected ?? dummyDigest);
    return same && expected !== undefined ? id : undefined;
  };
}
