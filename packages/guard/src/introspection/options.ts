import type { DurationMs } from '@rescind/revocation';
import { basicAuthorization } from '@rescind/revocation/http';
import { option, optionsOf, required } from '@rescind/revocation/options';

/** How the guard introspects the tokens of an issuer (RFC 7662). */
export interface IntrospectionOptions {
  /** The client credential of this service, sent as HTTP Basic in the encoding of RFC 6749 section 2.3.1. */
  readonly clientId: string;
  /** The guard calls a function before each request, so that a secret can change while the guard runs. */
  readonly clientSecret: string | (() => string);
  /** Default: the address in the issuer's metadata (RFC 8414), else `{issuerUrl}/oauth2/introspect`. */
  readonly url?: string | undefined;
  /** How long a request waits for the response, including the wait for a place, in ms. Default 2 000. */
  readonly timeoutMs?: DurationMs | undefined;
  /** How many introspections run at once. Default 32. */
  readonly maxConcurrent?: number | undefined;
  /** How many introspections wait; further ones get 503 at once. Default 256. */
  readonly maxWaiting?: number | undefined;
  /** How many consecutive failures open the circuit. While it is open, introspections fail at once. Default 5. */
  readonly breakAfter?: number | undefined;
  /** How long the circuit stays open before one introspection tests it, in ms. Default 5 000. */
  readonly breakMs?: DurationMs | undefined;
}

/** The options with their defaults. */
export interface IntrospectionSettings {
  /** Undefined: the address in the metadata. */
  readonly url: string | undefined;
  /** The address if the metadata have none. */
  readonly usualUrl: string;
  /** The value of the `Authorization` header. */
  readonly authorization: () => string;
  readonly timeoutMs: DurationMs;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  readonly breakAfter: number;
  readonly breakMs: DurationMs;
}

/** A timer of more than 31 bits would fire at once. */
const MAX_TIMER_MS: DurationMs = 2 ** 31 - 1;

export const introspectionOptions = optionsOf<IntrospectionOptions>('introspection', {
  clientId: required(option.text()),
  clientSecret: required(option.textOrSource()),
  url: option.url(),
  timeoutMs: option.duration({ max: MAX_TIMER_MS }),
  maxConcurrent: option.count({ min: 1 }),
  maxWaiting: option.count(),
  breakAfter: option.count({ min: 1 }),
  breakMs: option.duration({ max: MAX_TIMER_MS }),
});

/** @param options checked */
export function toIntrospectionSettings(options: IntrospectionOptions, issuerUrl: string): IntrospectionSettings {
  const { url, timeoutMs = 2_000, maxConcurrent = 32, maxWaiting = 256, breakAfter = 5, breakMs = 5_000 } = options;
  return {
    url,
    usualUrl: `${issuerUrl.replace(/\/+$/, '')}/oauth2/introspect`,
    authorization: () => authorizationOf(options),
    ...{ timeoutMs, maxConcurrent, maxWaiting, breakAfter, breakMs },
  };
}

function authorizationOf({ clientId, clientSecret }: IntrospectionOptions): string {
  const secret = typeof clientSecret === 'function' ? clientSecret() : clientSecret;
  return basicAuthorization(formEncoded(clientId), formEncoded(secret));
}

/** application/x-www-form-urlencoded, so that a colon in the id does not end it. */
const formEncoded = (text: string) => new URLSearchParams([['', text]]).toString().slice(1);
