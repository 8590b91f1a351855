import { RescindError } from '@rescind/revocation';
import type { Request } from 'express';

type Claims = Readonly<Record<string, unknown>>;

/** The headers that carry the identity of an accepted token to the service behind the proxy. */
export interface Identity {
  /**
   * Refuses a request in which the client has sent one of these headers, or has named one in `Connection`, so that a proxy removes it
   * (RFC 9110 section 7.6.1).
   * @throws RescindError `request_invalid`
   */
  requireAbsent(request: Request): void;
  /** All of these headers; of a claim that is absent an empty one, so that no proxy leaves one of the client in its place. */
  headersOf(claims: Claims): Record<string, string>;
}

/**
 * @param entries each `Header=claim`
 * @throws RescindError `configuration_invalid` for a header that is named twice
 */
export function createIdentity(entries: readonly string[]): Identity {
  const claimOf = new Map(entries.map((entry) => entry.split('=') as [header: string, claim: string]));
  const names = new Set([...claimOf.keys()].map(comparedName));
  if (names.size !== entries.length) {
    throw new RescindError('configuration_invalid', { detail: 'IDENTITY_HEADERS must name each header once' });
  }
  return {
    requireAbsent({ rawHeaders, headers: { connection = '' } }) {
      const sent = rawHeaders.filter((_, at) => at % 2 === 0);
      const named = connection.split(',').map((name) => name.trim());
      const found = [...sent, ...named].find((name) => names.has(comparedName(name)));
      if (found === undefined) return;
      throw new RescindError('request_invalid', { publicDetail: `A client must not send the header ${found}` });
    },
    headersOf: (claims) => Object.fromEntries([...claimOf].map(([header, claim]) => [header, toText(claims, claim)])),
  };
}

/** CGI, and what follows it (WSGI, Rack, PHP), does not distinguish `-` from `_` (RFC 3875 section 4.1.18). */
const comparedName = (header: string) => header.toLowerCase().replaceAll('_', '-');

function toText(claims: Claims, claim: string): string {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  // RFC 9068 section 2.2.3: scopes are separated by spaces.
  if (claim === 'scope' && typeof value === 'string') return listOf(value.split(' '));
  return Array.isArray(value) ? listOf(value) : listOf([value]);
}

const listOf = (values: readonly unknown[]) =>
  values
    .map(encoded)
    .filter((text) => text !== '')
    .join(' ');

/** Visible ASCII as it is, `%` and everything else percent-encoded as UTF-8. Values without one text, such as objects, are empty. */
function encoded(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') return '';
  return value.toWellFormed().replaceAll(/[^\x21-\x24\x26-\x7e]+/g, (text) => percentEncoded(text));
}

const percentEncoded = (text: string) =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
