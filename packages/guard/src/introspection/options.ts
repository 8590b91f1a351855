import type { DurationMs } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';

/** How an issuer is asked about its tokens (RFC 7662). */
export interface IntrospectionOptions {
  /** This service's client credential, sent as HTTP Basic, encoded as RFC 6749 section 2.3.1 says. */
  readonly clientId: string;
  /** A function is called before each request: for a secret that is rotated while the guard runs. */
  readonly clientSecret: string | (() => string);
  /** Default: as the issuer's metadata say (RFC 8414), else `{issuerUrl}/oauth2/introspect`. */
  readonly url?: string | undefined;
  /** Longest time a request waits for the answer, its turn included, in ms. Default 2 000. */
  readonly timeoutMs?: DurationMs | undefined;
  /** Most questions under way at once. Default 32. */
  readonly maxConcurrent?: number | undefined;
  /** Most questions that wait for their turn; beyond, 503 at once. Default 256. */
  readonly maxWaiting?: number | undefined;
  /** So many failures one after the other open the circuit: nobody is asked for a while. Default 5. */
  readonly breakAfter?: number | undefined;
  /** How long it stays open before one question tries again, in ms. Default 5 000. */
  readonly breakMs?: DurationMs | undefined;
}

/** The options with their defaults. */
export interface IntrospectionSettings {
  /** Undefined: as the metadata say. */
  readonly url: string | undefined;
  /** Where it is when they do not say. */
  readonly usualUrl: string;
  /** The value of the `Authorization` header. */
  readonly authorization: () => string;
  readonly timeoutMs: DurationMs;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  readonly breakAfter: number;
  readonly breakMs: DurationMs;
}

/** Timers take 31 bits: beyond, they would fire at once. */
const LONGEST_TIMER_MS: DurationMs = 2 ** 31 - 1;

export const introspectionOptions = optionsOf<IntrospectionOptions>('introspection', {
  clientId: required(option.text()),
  clientSecret: required(option.textOrSource()),
  url: option.url(),
  timeoutMs: option.duration({ most: LONGEST_TIMER_MS }),
  maxConcurrent: option.count({ least: 1 }),
  maxWaiting: option.count(),
  breakAfter: option.count({ least: 1 }),
  breakMs: option.duration({ most: LONGEST_TIMER_MS }),
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
  return `Basic ${Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64')}`;
}

/** application/x-www-form-urlencoded, so that a colon in the id ends nothing. */
const formEncoded = (text: string) => new URLSearchParams([['', text]]).toString().slice(1);
