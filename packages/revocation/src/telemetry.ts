import type { EpochMillis } from './clock.ts';
import type { CounterName, GaugeName, HistogramName, MetricLabels } from './metrics/catalogue.ts';

/** The severity of a log line, by pino's names. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Field values that may be logged. Never a token, a password, a key or an e-mail address. */
export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** A finished step of a revocation's path through the fleet. */
export interface RevocationStep {
  /** `rescind.revoke`: the issuer commits it; `rescind.publish`: Kafka acknowledges it; `rescind.apply`: an instance enforces it. */
  readonly name: 'rescind.revoke' | 'rescind.publish' | 'rescind.apply';
  /** The id of the revocation. */
  readonly txn: string;
  /** By the wall clock of this process. */
  readonly startMs: EpochMillis;
  readonly endMs: EpochMillis;
  /** The position of the event in the log. */
  readonly epoch: string;
  readonly seq: number;
}

/**
 * Where a package reports what it does. Metrics are those of the catalogue (`METRICS`, docs/metrics.md) and no others: a
 * name or a label that is not in it does not compile. The default is `standardErrorTelemetry`.
 */
export interface Telemetry {
  /** Adds `by` (default 1) to a counter. */
  count<M extends CounterName>(metric: M, labels?: MetricLabels<M>, by?: number): void;
  /** Sets a gauge. */
  gauge<M extends GaugeName>(metric: M, value: number, labels?: MetricLabels<M>): void;
  /** Adds an observation to a histogram, in base units (seconds, bytes). */
  observe<M extends HistogramName>(metric: M, value: number, labels?: MetricLabels<M>): void;
  /** Writes a line; `event` is a stable word such as `feed_gap`. */
  log(level: LogLevel, event: string, fields?: Fields): void;
  /** Records a step of a revocation, as a span of its trace (`openTelemetry` of `@rescind/revocation/open-telemetry`). Default: none is recorded. */
  readonly step?: ((step: RevocationStep) => void) | undefined;
}

const failingTracers = new WeakSet<Telemetry>();

/**
 * Records a step that has been done. It never throws: the caller would do the step again, or undo it. The first failure of a tracer is
 * logged (`trace_failed`).
 * @param step returns the step; called only where steps are recorded
 */
export function recordStep(telemetry: Telemetry, step: () => RevocationStep): void {
  if (telemetry.step === undefined) return;
  try {
    telemetry.step(step());
  } catch (error) {
    if (!failingTracers.has(telemetry)) telemetry.log('warn', 'trace_failed', { error: String(error) });
    failingTracers.add(telemetry);
  }
}

/** Discards everything. */
export const silentTelemetry: Telemetry = {
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
  log: () => undefined,
};

/** One line of a health answer. `warn` is degraded and still serving; `fail` is not serving. */
export interface HealthCheck {
  /** What was checked. */
  readonly name: string;
  /** `pass`: it works as configured. */
  readonly status: 'pass' | 'warn' | 'fail';
  /** Numbers and texts for operators; undefined: left out. */
  readonly [detail: string]: string | number | boolean | null | undefined;
}

type Text = (fields: Fields) => string;

const NOT_REACHED = 'check issuer and issuerUrl, with their port, and that the issuer runs';

/** What a reason of `feed_connection_lost` means, and what would be right. */
const CONNECTION_REASONS: Readonly<Record<string, Text>> = {
  unauthorized: ({ clientId }) =>
    `the issuer refused the credential (401): check clientId (${clientId}) and clientSecret, which must be those that the issuer knows`,
  forbidden: ({ clientId }) => `the issuer does not let the client ${clientId} read the log (403)`,
  not_found: () => 'there is no log at this address (404): check issuer, which must be the base URL of the issuer',
  content_type_wrong: () => 'what answered is no revocation log: check issuer, with its port',
  redirect_refused: () => 'the issuer redirects, which is not followed: give issuer as it is after the redirect',
  unreachable: () => `it cannot be reached: ${NOT_REACHED}`,
  too_many_connections: ({ clientId }) => `the client ${clientId} has too many connections (429)`,
};

/** The events that whoever starts a service meets first. Every other event is written with its fields. */
const TEXTS: Readonly<Record<string, Text>> = {
  feed_connection_lost: (fields) => {
    const why = CONNECTION_REASONS[String(fields.reason)]?.(fields) ?? String(fields.reason);
    return `the revocation log ${fields.url ?? ''} is not read: ${why}`;
  },
  feed_log_differs: ({ url, configured, found }) =>
    `the revocation log ${url ?? ''} is that of ${found}, and issuer is configured as ${configured}: they must be equal, character for character`,
  keys_fetch_failed: ({ source, url, error }) =>
    `the keys (${source}) cannot be fetched from ${url}: ${error}: ${NOT_REACHED}`,
  metadata_unusable: ({ error }) => `the metadata of the issuer cannot be used: ${error}`,
  token_issuer_differs: ({ configured, found }) =>
    `a token with a good signature is refused: its iss is ${found}, and issuer is configured as ${configured}; they must be equal, character for character`,
  token_audience_differs: ({ configured, found }) =>
    `a token with a good signature is refused: its aud is ${found}, and audience is configured as ${configured}; one must be the same`,
  view_not_ready: () =>
    'the revocation log has not been caught up with: tokens are refused with 503 until it has; a line about keys or the log says why',
  view_degraded: ({ ageMs }) => `the view of revocations is ${seconds(ageMs)} old: tokens are taken for now`,
  view_stale: ({ ageMs }) =>
    `the view of revocations is ${seconds(ageMs)} old: tokens are treated by the stale policy (by default refused with 503)`,
  clock_differs: ({ aheadMs }) =>
    `the clock of this machine is ${seconds(Math.abs(Number(aheadMs)))} ${Number(aheadMs) > 0 ? 'ahead of' : 'behind'} the issuer's: set both by a time server`,
  kafka_lost: ({ reason }) => `Kafka is not read (${reason}): check brokers, ssl and sasl, and that the topic is there`,
  kafka_client: ({ message, broker, error }) =>
    `the client of Kafka reports: ${[message, error, broker].filter(Boolean).join(', ')}`,
  feed_lost: ({ transport, reason }) =>
    `the log is no longer read by ${transport} (${reason}), which is tried again until it is`,
  feed_fallback_started: ({ reason }) => `the log is read by the fallback transport: ${reason} of the primary one`,
  feed_records_bad: ({ transport, reasons }) =>
    `records of the log by ${transport} are refused (${reasons}): nobody but the issuer may write there`,
  report_failed: ({ result, error }) =>
    `the issuer does not get the reports of this instance (${result}: ${error}): its receipts are late, and nothing else`,
  metadata_unreachable: ({ error }) => `the metadata of the issuer cannot be fetched: ${error}`,
  feed_heartbeat_ahead: ({ aheadMs }) =>
    `a heartbeat of the log is ${seconds(aheadMs)} ahead of this machine's clock, and does not count`,
  feed_connected: ({ url }) => `the connection to the revocation log ${url} is open`,
  keys_fetched_again: ({ source, url }) => `the keys (${source}) have been fetched from ${url}`,
  view_fresh: () => 'the view of revocations is fresh again',
  clock_agrees: () => "the clock of this machine agrees with the issuer's again",
  kafka_connected: () => 'Kafka is read',
  kafka_publish_failed: ({ reason, detail }) =>
    `Kafka does not take the events of the log (${detail ?? reason}): readers with the fallback get them from the issuer meanwhile`,
  publish_failed: ({ error }) => `events of the log wait for the broker: ${error}`,
  feed_commit_failed: ({ error }) => `revocations are enforced from memory, and not stored: ${error}`,
};

/** Which errors the event of an improvement ends. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  feed_connected: ['feed_connection_lost'],
  keys_fetched_again: ['keys_fetch_failed'],
  view_fresh: ['view_not_ready', 'view_degraded', 'view_stale'],
  clock_agrees: ['clock_differs'],
  kafka_connected: ['kafka_lost'],
};

/** More errors at once than a process has sources of them. */
const MAX_ERRORS = 256;

const logged = new Map<string, string>();

function writeLog(level: LogLevel, event: string, fields: Fields): void {
  const key = keyOf(event, fields);
  const state = stateOf(fields);
  if (logged.get(key) === state) return;
  const [oldest] = logged.keys();
  if (logged.size >= MAX_ERRORS && oldest !== undefined) logged.delete(oldest);
  logged.set(key, state);
  process.stderr.write(`${formatLine(level, event, fields)}\n`);
}

function endErrors(event: string, fields: Fields): void {
  const ended = (ENDS[event] ?? []).filter((error) => logged.delete(keyOf(error, fields)));
  if (ended.length > 0) process.stderr.write(`${formatLine('info', event, fields)}\n`);
}

/**
 * The default of every package. Warnings and errors are lines for a person, each once until it changes or ends: one telemetry for
 * the process, so that the parts of a guard do not repeat each other. It keeps no metrics and writes no other lines.
 */
export const standardErrorTelemetry: Telemetry = {
  ...silentTelemetry,
  log(level, event, fields = {}) {
    if (level === 'warn' || level === 'error') writeLog(level, event, fields);
    else endErrors(event, fields);
  },
};

const keyOf = (event: string, { source, url, transport }: Fields) =>
  `${event} ${source ?? ''} ${url ?? ''} ${transport ?? ''}`;

/** Numbers that count up or grow older are no change. */
function stateOf(fields: Fields): string {
  return JSON.stringify(Object.entries(fields).filter(([, value]) => typeof value !== 'number'));
}

function formatLine(level: LogLevel, event: string, fields: Fields): string {
  const word = level === 'warn' ? 'warning' : level;
  const present = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  const plain = () => present.map(([name, value]) => `${name}=${value}`).join(' ');
  const text = `rescind: ${word}: ${TEXTS[event]?.(fields) ?? plain()} [${event}]`;
  // The result is one line, whatever a field contains.
  return text
    .replaceAll(/\p{Cc}+/gu, ' ')
    .replaceAll(/ {2,}/g, ' ')
    .slice(0, 1_000);
}

const seconds = (ms: unknown) => (typeof ms === 'number' ? `${Math.round(ms / 1000)} s` : 'unknown time');
