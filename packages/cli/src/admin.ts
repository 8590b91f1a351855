import { basicAuthorization } from '@rescind/revocation/http';
import type { Exit } from './errors.ts';
import { CliError } from './errors.ts';
import type { Prompt } from './prompt.ts';
import type { Settings } from './settings.ts';
import { requireSecure } from './settings.ts';
import { visible } from './text.ts';

/** A JSON document of the server. */
export type Json = Readonly<Record<string, unknown>>;

/** Parameters of a query; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The administrators' port. Each method rejects with a CliError. */
export interface Admin {
  get(path: string, query?: Query, headers?: Readonly<Record<string, string>>): Promise<Json>;
  send(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body: object,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Json>;
  /** The lines of a stream (NDJSON), until the server ends it or `signal` aborts. */
  stream(path: string, query: Query, signal: AbortSignal): AsyncGenerator<Json>;
  /** The items of a list, page by page, at most `most`. */
  list(path: string, query: Query, limit: number): AsyncGenerator<Json>;
}

/** Greatest page of the server. */
const PAGE = 200;

/** @param settings the address and the credentials; a missing secret is asked for once, on a terminal */
export function createAdmin(settings: Settings, prompt: Prompt): Admin {
  let authorization: Promise<string> | undefined;
  const authorize = () => {
    authorization ??= credentials(settings, prompt);
    return authorization;
  };
  const addressOf = (path: string, query: Query): URL => {
    const url = new URL(`${settings.RESCIND_SERVER.replace(/\/$/, '')}${path}`);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    requireSecure(settings.RESCIND_SERVER, settings);
    // An id `.` or `..` would be read as another path.
    if (!url.pathname.endsWith(path)) throw new CliError('not_found', 'not_found', `There is nothing at ${path}`);
    return url;
  };
  const request = async (method: string, path: string, init: RequestInit & { readonly query?: Query | undefined }) => {
    const { query = {}, ...rest } = init;
    const url = addressOf(path, query);
    const headers = { ...rest.headers, Authorization: await authorize() };
    const response = await reach(url, { ...rest, method, headers }, settings.RESCIND_TIMEOUT);
    return readAnswer(response, settings.RESCIND_TIMEOUT);
  };
  const get: Admin['get'] = (path, query, headers = {}) => request('GET', path, { query, headers });
  return {
    get,
    async send(method, path, body, headers = {}) {
      try {
        return await request(method, path, {
          body: JSON.stringify(body),
          headers: { ...headers, 'Content-Type': 'application/json' },
        });
      } catch (error) {
        // What changes something states why.
        throw 'why' in body && error instanceof AnswerLost ? error.ofCommand() : error;
      }
    },
    async *stream(path, query, signal) {
      const headers = { Accept: 'application/x-ndjson', Authorization: await authorize() };
      const silence = createSilence(signal, settings.RESCIND_TIMEOUT);
      try {
        const response = await reach(addressOf(path, query), { headers }, silence.signal);
        silence.reset();
        if (!response.ok) await readAnswer(response, settings.RESCIND_TIMEOUT);
        yield* linesOf(response, silence.reset);
      } finally {
        silence.end();
      }
    },
    async *list(path, query, limit) {
      let after: string | undefined;
      for (let left = limit; left > 0; ) {
        const page = await get(path, { ...query, limit: Math.min(left, PAGE), after });
        const items = itemsOf(page);
        yield* items.slice(0, left);
        left -= items.length;
        if (typeof page.next !== 'string' || items.length === 0) return;
        after = page.next;
      }
    },
  };
}

export const itemsOf = ({ items }: Json): Json[] => (Array.isArray(items) ? (items as Json[]) : []);

/** A stream without data for this time counts as lost. A heartbeat comes at least every 5 s. */
const SILENCE_MS = 15_000;

/** A signal that aborts when the first `reset` comes later than `firstMs`, a further one later than `SILENCE_MS`, or with another signal. */
function createSilence(signal: AbortSignal, firstMs: number) {
  const silent = new AbortController();
  const start = (ms: number) =>
    setTimeout(() => silent.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError')), ms);
  let timer = start(firstMs);
  return {
    signal: AbortSignal.any([silent.signal, signal]),
    reset() {
      clearTimeout(timer);
      timer = start(SILENCE_MS);
    },
    end: () => clearTimeout(timer),
  };
}

/** Each line of a body, as JSON. @throws CliError `stream_lost` */
async function* linesOf(response: Response, received: () => void): AsyncGenerator<Json> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) {
      received();
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) yield parse(line) ?? {};
    }
  } catch (error) {
    throw new CliError('failed', 'stream_lost', 'The connection to the stream was lost', { cause: error });
  }
}

/** A request that may have been received: its answer did not arrive, or came from something in between. */
class AnswerLost extends CliError {
  /** The same, of a request that changes something. */
  ofCommand(): CliError {
    return new CliError('failed', 'answer_lost', `${this.message}; it may have been done nevertheless`, {
      next: 'look before you repeat it: rescind revocations, events, or show of what it changes. A repeated revocation does no harm',
      cause: this.cause,
    });
  }
}

/** Failures of the system before a request is sent. */
const NOT_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * Sends a request, and follows no redirect.
 * @param timeout ms, or a signal that ends the request
 * @throws CliError `server_unreachable`
 */
export async function reach(url: URL, init: RequestInit, timeout: number | AbortSignal): Promise<Response> {
  const signal = typeof timeout === 'number' ? AbortSignal.timeout(timeout) : timeout;
  try {
    return await fetch(url, { ...init, redirect: 'manual', signal });
  } catch (error) {
    throw unreachable(url, error, timeout);
  }
}

/**
 * Reads the body of a response.
 * @throws CliError `server_unreachable`: it did not arrive in full
 */
export async function readBody(response: Response, timeoutMs?: number): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw unreachable(new URL(response.url), error, timeoutMs);
  }
}

function unreachable({ origin }: URL, error: unknown, timeout?: number | AbortSignal): CliError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const isLate = error instanceof Error && error.name === 'TimeoutError';
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  const late = typeof timeout === 'number' ? `no answer within ${timeout} ms` : 'no answer in time';
  const why = isLate ? late : (code ?? 'no connection');
  const Failure = NOT_SENT.has(code) ? CliError : AnswerLost;
  return new Failure('failed', 'server_unreachable', `${origin} cannot be reached (${why})`, {
    next: 'rescind doctor',
    cause: error,
  });
}

async function credentials(settings: Settings, prompt: Prompt): Promise<string> {
  const { RESCIND_TOKEN: token, RESCIND_OPERATOR: operator, RESCIND_OPERATOR_SECRET: configured } = settings;
  if (token !== undefined) return `Bearer ${token}`;
  if (operator === undefined) {
    throw new CliError('credentials', 'credentials_missing', 'No credentials are configured', {
      next: 'set RESCIND_OPERATOR and RESCIND_OPERATOR_SECRET_FILE, or RESCIND_TOKEN_FILE',
    });
  }
  const secret = configured ?? (await prompt.secret(`secret of ${operator}: `));
  if (secret === undefined || secret === '') {
    throw new CliError('credentials', 'credentials_missing', `The secret of ${operator} is not configured`, {
      next: 'set RESCIND_OPERATOR_SECRET_FILE, or run the command on a terminal',
    });
  }
  return basicAuthorization(operator, secret);
}

const OF_CODES: Readonly<Record<string, Exit>> = {
  confirmation_missing: 'confirmation',
  confirmation_outgrown: 'confirmation',
  authentication_insufficient: 'credentials',
  rate_limited: 'failed',
};
const OF_STATUSES: Readonly<Record<number, Exit>> = {
  400: 'usage',
  401: 'credentials',
  403: 'forbidden',
  404: 'not_found',
  409: 'refused',
  503: 'refused',
};
const NEXT: Readonly<Record<string, string>> = {
  operator_invalid: 'check RESCIND_OPERATOR and its secret',
  token_expired: 'log in again; RESCIND_TOKEN_FILE has an old token',
  confirmation_outgrown: 'look at the preview, then confirm that number',
  authentication_insufficient: 'log in again, then repeat the command within the time of ADMIN_STEP_UP',
  scope_insufficient: 'an administrator with this scope has to do it, or to grant it',
  client_state: 'rescind clients show: one without secrets has none to change, and a built-in one can be disabled only',
  database_restored: 'rescind restore',
  storage_unavailable: 'rescind doctor --only disk',
};

async function readAnswer(response: Response, timeoutMs?: number): Promise<Json> {
  const text = await readBody(response, timeoutMs);
  const requestId = response.headers.get('x-request-id') ?? undefined;
  const body = parse(text);
  if (response.ok && body !== undefined) return body;
  if (body === undefined || response.status < 400) {
    const Failure = response.status >= 500 ? AnswerLost : CliError;
    throw new Failure(
      'failed',
      'server_unexpected',
      `The server answered ${response.status} with something else than JSON`,
      {
        requestId,
        next: 'check RESCIND_SERVER: it must be the address of ADMIN_PORT',
      },
    );
  }
  const code = typeof body.code === 'string' ? visible(body.code) : 'unknown';
  const exit = OF_CODES[code] ?? OF_STATUSES[response.status] ?? 'failed';
  const seconds = response.headers.get('retry-after');
  const later = seconds !== null && /^\d+$/.test(seconds) ? `repeat it in ${seconds} s` : undefined;
  throw new CliError(exit, code, describe(body), { requestId, next: NEXT[code] ?? later });
}

function parse(text: string): Json | undefined {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** Title and detail of problem details (RFC 9457), and the members that were wrong. */
function describe({ title, detail, issues }: Json): string {
  const parts = [title, detail].filter((part) => typeof part === 'string' && part !== '');
  const members = Array.isArray(issues)
    ? issues.map((one: Json) => `${one.path ?? ''} ${one.message ?? ''}`.trim())
    : [];
  // A line of the server's own could pass for one of this program.
  return visible([parts.join(': ') || 'The server refused it', ...members].join('; '));
}
