import type { StepUpRequirement } from './challenge.ts';
import { readChallenge } from './challenge.ts';
import type { Clock } from './environment.ts';
import { ignore, listen, race } from './environment.ts';
import { SessionError } from './error.ts';

type FetchInput = Parameters<typeof globalThis.fetch>[0];
type FetchInit = NonNullable<Parameters<typeof globalThis.fetch>[1]>;

/** What `session.fetch` takes beside the members of `RequestInit`. */
interface SessionFetchOptions {
  /** Whether a refused request is repeated with a newer token. Default true. */
  readonly renew?: boolean;
  /** The audience of the token (RFC 8707), such as that of the account endpoints. Default: the session's own. */
  readonly resource?: string;
}

/** Assignable to `typeof fetch`. */
export type SessionFetch = (input: FetchInput, init?: FetchInit & SessionFetchOptions) => Promise<Response>;

/** Authenticates again, and returns when that is done. */
export type StepUpHandler = (required: StepUpRequirement) => void | Promise<void>;

interface Options {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly isApi: (url: string) => boolean;
  /** @returns a token other than `failedToken`; undefined: nobody is logged in */
  tokenFor(minValidityMs?: number, resource?: string, failedToken?: string): Promise<string | undefined>;
  readonly stepUpHandler: () => StepUpHandler | undefined;
}

/** A stream cannot be sent twice, so its token should last for the whole upload. */
const STREAM_VALIDITY_MS = 60_000;
/** A longer body of a `Request` is not kept for a repetition. */
const LONGEST_COPY_BYTES = 1_048_576;
/** After a new token was refused too: how long refused requests start no renewal. */
const BARREN_MS = 30_000;

export function createAuthorizedFetch(options: Options): SessionFetch {
  const { fetch, clock, isApi, tokenFor, stepUpHandler } = options;
  let barrenUntil = 0;

  return async (input, init = {}) => {
    const { renew = true, resource, ...rest } = init;
    const request = input instanceof Request ? input : undefined;
    const url = request?.url ?? String(input);
    const headers = new Headers(rest.headers ?? request?.headers);
    // The application's own credentials are its own matter.
    if (!isApi(url) || headers.has('authorization')) return fetch(input, rest);

    const signal = rest.signal ?? request?.signal;
    const isStream = isReadOnce(rest.body) || (rest.body == null && isLong(request));
    const first = await abortable(tokenFor(isStream ? STREAM_VALIDITY_MS : undefined, resource), signal);
    if (!first) return fetch(input, rest);

    // A Request is read when it is sent, everything else can be sent again.
    let copy = renew && !isStream && rest.body == null && request?.body ? request.clone() : undefined;
    const send = (body: FetchInput, token: string) => {
      headers.set('authorization', `Bearer ${token}`);
      return fetch(body, { ...rest, headers });
    };
    try {
      const response = await send(input, first);
      const challenge = renew && response.status === 401 ? await readChallenge(response, clock) : undefined;
      const handler = stepUpHandler();
      const isFutile = challenge?.required ? !handler : clock.monotonic() < barrenUntil;
      if (!challenge || isFutile) return response;
      if (challenge.required) await abortable(Promise.resolve(handler?.(challenge.required)), signal);
      const next = await abortable(tokenFor(undefined, resource, first), signal);
      if (isStream || !next) {
        throw new SessionError('body_not_repeatable', { status: 401 });
      }
      discard(response);
      const body = copy ?? input;
      copy = undefined;
      const second = await send(body, next);
      if (second.status === 401 && !challenge.required) barrenUntil = clock.monotonic() + BARREN_MS;
      return second;
    } finally {
      if (copy) discard(copy);
    }
  };
}

/** Whether a body is consumed by sending it: a stream, or (in Node.js) an iterator. */
function isReadOnce(body: unknown): boolean {
  const { getReader, [Symbol.asyncIterator]: iterator } = Object(body);
  return Boolean(getReader ?? iterator);
}

const isLong = (request: Request | undefined): boolean =>
  Number(request?.headers.get('content-length')) > LONGEST_COPY_BYTES;

/** Releases a body that is not read. */
function discard({ body }: Request | Response): void {
  body?.cancel().catch(ignore);
}

/**
 * Aborts the wait of this caller only. The renewal continues for the others. A signal that is aborted already leaves no rejection of
 * `work` unhandled.
 */
export function abortable<T>(work: Promise<T>, signal?: AbortSignal | null): Promise<T | undefined> {
  return race(work, (_, reject) => {
    const abort = () => reject(signal?.reason);
    if (signal?.aborted) abort();
    return listen(signal, ['abort'], abort);
  });
}
