import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { basicAuthorization } from '@rescind/revocation/http';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Fetch, FetchBody, FetchResponse } from '@rescind/token/fetch';
import { nodeFetch } from '@rescind/token/fetch';
import { createBackoff } from '../backoff.ts';
import type { Transport, TransportConnection, TransportSink } from '../ports.ts';
import { submitReport } from '../reports/submit.ts';
import {
  ConnectionLost,
  createStallTimer,
  PAGES_QUERY,
  readEventStream,
  STANDBY,
  STANDBY_QUERY,
  STREAM_HEADER,
} from './stream.ts';

/** A heartbeat is sent every second: five missed ones are not jitter. */
const STALL_MS: DurationMs = 5_000;
/** A standby stream has a heartbeat each 10 s. */
const STANDBY_STALL_TIMES = 5;
/** A refusal is repeated: wrong credentials are not sent in a fast loop. */
const REFUSED_RETRY_MS: DurationMs = 10_000;
/** An issuer of a version that knows no standby streams may be replaced by one that does. */
const UNSUPPORTED_RETRY_MS: DurationMs = 60_000;
const FIRST_RETRY_MS: DurationMs = 100;
/** Longer would cost revocations their speed after an outage; a fleet of hundreds makes this a hundred requests a second. */
const MAX_RETRY_MS: DurationMs = 5_000;
/** A connection that ends earlier does not reset the back-off. */
const GOOD_AFTER_MS: DurationMs = 900;
const EVIDENCE_TIMEOUT_MS: DurationMs = 10_000;

/** The options of `httpTransport`. */
export interface HttpTransportOptions {
  /** Base URL under which the issuer is reached; `/revocations` is appended. */
  readonly issuer: string;
  /** The reader's credential (HTTP Basic, RFC 7617). The id has no colon. */
  readonly clientId: string;
  /** A function is called before each request: for a secret that is rotated while the reader runs. */
  readonly clientSecret: string | (() => string);
  /** Default: one by `node:http` and `node:https`. The global one does as well. */
  readonly fetch?: Fetch | undefined;
  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
  /** Default: that of the reader which opens the transport. */
  readonly telemetry?: Telemetry | undefined;
  /** After how many ms without a byte a connection is dropped. Default 5 000. */
  readonly stallMs?: DurationMs | undefined;
}

interface HttpTransportSettings {
  readonly url: string;
  readonly clientId: string;
  readonly authorization: () => string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** Undefined: that of the reader. */
  readonly telemetry: Telemetry | undefined;
  readonly stallMs: DurationMs;
  /** Whether to request a standby stream. */
  readonly isStandby: boolean;
}

/**
 * The log as server-sent events of the issuer: `GET {issuer}/revocations`, resumed by `Last-Event-ID: <epoch>:<seq>`.
 * Reconnects by itself with exponential back-off and full jitter (0.1 s to 5 s), follows no redirect, drops a
 * connection without data for 5 s, and reads no faster than its sink.
 * @throws TypeError an option is missing or wrong
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  const settings = checkOptions(options);
  return {
    name: 'http',
    endpoint: { url: settings.url, clientId: settings.clientId },
    abilities: {
      fromIssuer: true,
      opensWithHeartbeat: true,
      standby: true,
      // Heartbeats come every second.
      stallMs: 10_000,
    },
    open(sink, { standby = false, telemetry = standardErrorTelemetry } = {}) {
      const chosen = { ...settings, telemetry: settings.telemetry ?? telemetry };
      return openConnection(standby ? asStandby(chosen) : chosen, sink);
    },
    submitEvidence: (jws) => submitEvidence(settings, jws),
    submitReport: (report, options) => submitReport(settings, report, options),
  };
}

const httpTransportOptions = optionsOf<HttpTransportOptions>('httpTransport', {
  issuer: required(option.url()),
  clientId: required(option.text('text without a colon', /^[^:]+$/)),
  clientSecret: required(option.textOrSource()),
  fetch: option.callable<Fetch>(),
  clock: option.clock,
  telemetry: option.telemetry,
  stallMs: option.duration({ max: 2 ** 31 - 1 }),
});

function checkOptions(given: HttpTransportOptions): HttpTransportSettings {
  const options = httpTransportOptions(given);
  const { issuer, clientId, clientSecret, stallMs = STALL_MS } = options;
  return {
    url: `${issuer.replace(/\/+$/, '')}/revocations`,
    clientId,
    authorization: () =>
      basicAuthorization(clientId, typeof clientSecret === 'function' ? clientSecret() : clientSecret),
    fetch: options.fetch ?? nodeFetch,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry,
    stallMs,
    isStandby: false,
  };
}

/** The settings of a connection. */
interface ConnectionSettings extends HttpTransportSettings {
  readonly telemetry: Telemetry;
}

function asStandby(settings: ConnectionSettings): ConnectionSettings {
  return {
    ...settings,
    isStandby: true,
    stallMs: Math.min(2 ** 31 - 1, STANDBY_STALL_TIMES * settings.stallMs),
  };
}

function openConnection(settings: ConnectionSettings, sink: TransportSink): TransportConnection {
  const { telemetry, url, clientId, isStandby } = settings;
  const backoff = createBackoff(FIRST_RETRY_MS, MAX_RETRY_MS);
  const closing = new AbortController();
  let attempt = new AbortController();
  let lastReason: string | undefined;

  const attemptOnce = async (): Promise<string> => {
    attempt = new AbortController();
    const startedAt = settings.clock.monotonic();
    try {
      await readOnce(settings, sink, attempt, () => {
        if (lastReason !== undefined) telemetry.log('info', 'feed_connected', { transport: 'http', url });
        lastReason = undefined;
        if (settings.clock.monotonic() - startedAt > GOOD_AFTER_MS) backoff.reset();
      });
      return 'ended';
    } catch (error) {
      return reasonOf(error, attempt.signal);
    }
  };

  const reportLost = (reason: string) => {
    telemetry.count('rescind_feed_connections_lost_total', { transport: 'http', reason: labelOf(reason) });
    // An outage of an hour is one log line, not thousands.
    if (reason !== lastReason)
      telemetry.log('warn', 'feed_connection_lost', { transport: 'http', reason, url, clientId });
    lastReason = reason;
    sink.lost(reason);
  };

  const run = async () => {
    while (!closing.signal.aborted) {
      const reason = await attemptOnce();
      if (closing.signal.aborted) return;
      if (reason === UNSUPPORTED) sink.unsupported?.();
      else if (reason !== RESTART) reportLost(reason);
      await sleep(waitAfter(reason), undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  };
  const waitAfter = (reason: string): DurationMs => {
    if (reason === UNSUPPORTED) return UNSUPPORTED_RETRY_MS;
    // No failure: the follower itself limits how often it restarts a connection.
    if (reason === RESTART) return backoff.first();
    const isRefused = isStandby && !OWN_REASONS.has(reason);
    return isRefused ? REFUSED_RETRY_MS * (0.75 + Math.random() / 2) : backoff.next();
  };
  const running = run();

  return {
    restart(reason) {
      telemetry.log('info', 'feed_connection_restarted', { transport: 'http', reason });
      attempt.abort(new ConnectionLost(RESTART));
    },
    async close() {
      closing.abort();
      attempt.abort(new ConnectionLost('closed'));
      await running;
    },
  };
}

const RESTART = 'restarted';
const UNSUPPORTED = 'standby_not_supported';
/** Reasons that are not refusals of the server. */
const OWN_REASONS: ReadonlySet<string> = new Set([
  RESTART,
  'unreachable',
  'ended',
  'stalled',
  'oversized',
  'unavailable',
]);

/** One connection from its request to its end. `onHeard` is called with each batch. */
async function readOnce(
  settings: ConnectionSettings,
  sink: TransportSink,
  attempt: AbortController,
  onHeard: () => void,
): Promise<void> {
  const stall = createStallTimer(settings.stallMs, settings.clock.monotonic, () =>
    attempt.abort(new ConnectionLost('stalled')),
  );
  stall.start();
  try {
    const body = await request(settings, sink, attempt.signal);
    sink.opened();
    await readEventStream(body, {
      waiting: stall.start,
      arrived: stall.stop,
      ignored: () => settings.telemetry.count('rescind_feed_ignored_total', { transport: 'http' }),
      records: async (batch) => {
        attempt.signal.throwIfAborted();
        onHeard();
        await sink.records(batch);
        attempt.signal.throwIfAborted();
      },
    });
  } finally {
    stall.stop();
  }
}

async function request(settings: HttpTransportSettings, sink: TransportSink, signal: AbortSignal): Promise<FetchBody> {
  const { url, isStandby } = settings;
  const { epoch, seq } = sink.start();
  const response = await settings.fetch(`${url}?${isStandby ? STANDBY_QUERY : PAGES_QUERY}`, {
    headers: {
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      authorization: settings.authorization(),
      'cache-control': 'no-store',
      ...(epoch === '' ? {} : { 'last-event-id': `${epoch}:${seq}` }),
    },
    // A redirect would send the credential to another address.
    redirect: 'manual',
    background: true,
    signal,
  });
  const refusal =
    refusalOf(response) ?? (isStandby && response.headers.get(STREAM_HEADER) !== STANDBY ? UNSUPPORTED : undefined);
  if (refusal === undefined && response.body !== null) return response.body;
  await response.body?.cancel();
  throw new ConnectionLost(refusal ?? 'empty');
}

const REASONS: Readonly<Record<number, string>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  429: 'too_many_connections',
  503: 'unavailable',
};

function refusalOf(response: FetchResponse): string | undefined {
  const { status } = response;
  if (status === 200) {
    const type = response.headers.get('content-type') ?? '';
    return /^text\/event-stream\s*(;|$)/i.test(type) ? undefined : 'content_type_wrong';
  }
  // 0: the global one in a browser's manner.
  if (status === 0 || (status >= 300 && status < 400)) return 'redirect_refused';
  return REASONS[status] ?? `status_${status}`;
}

/** The label of a metric: logs and health name the status. */
const labelOf = (reason: string) => (reason.startsWith('status_') ? 'status_wrong' : reason);

function reasonOf(error: unknown, signal: AbortSignal): string {
  const cause: unknown = signal.aborted ? signal.reason : error;
  return cause instanceof ConnectionLost ? cause.reason : 'unreachable';
}

async function submitEvidence(settings: HttpTransportSettings, jws: string): Promise<void> {
  const response = await settings.fetch(`${settings.url}/proof`, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt', authorization: settings.authorization() },
    body: jws,
    redirect: 'manual',
    signal: AbortSignal.timeout(EVIDENCE_TIMEOUT_MS),
  });
  await response.body?.cancel();
  if (response.status >= 200 && response.status < 300) return;
  const detail = `the issuer answered ${response.status} to a proof`;
  if (response.status === 400) throw new RescindError('event_invalid', { detail });
  if (response.status === 401) throw new RescindError('client_invalid', { detail });
  throw new RescindError('busy', { detail });
}
