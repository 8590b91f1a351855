import type { StartPosition, TransportConnection } from '@rescind/feed';
import { httpTransport } from '@rescind/feed';
import type { DecodedRecord, EventDecoder } from '@rescind/feed/event';
import { createEventDecoder } from '@rescind/feed/event';
import { silentTelemetry } from '@rescind/revocation';
import { openKeySource } from '@rescind/token';
import { CliError } from './errors.ts';
import type { Settings } from './settings.ts';
import { requireSecure } from './settings.ts';

/** The signed log of an issuer, read as its reader RESCIND_FEED_CLIENT_ID. */
export interface LogReader extends AsyncDisposable {
  /** The `iss` of its events. */
  readonly log: string;
  /** Decodes and verifies one signed text. */
  decode(jws: string): DecodedRecord;
  /** Opens the stream; it reconnects by itself. */
  open(listener: LogListener): TransportConnection;
}

export interface LogListener {
  /** Where a connection starts: the last position that was read. */
  start(): StartPosition;
  record(record: DecodedRecord): void | Promise<void>;
  /** A connection was lost; another one is tried. */
  lost(reason: string): void;
}

/** Reasons of a lost connection that no later one mends. */
const REFUSED: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'not_found']);

/** The error of a connection that was lost for a reason that no later one mends; undefined: one may be tried. */
export const refusalOf = (reason: string): CliError | undefined =>
  REFUSED.has(reason)
    ? new CliError('credentials', 'log_refused', `The issuer refuses the reader (${reason})`, {
        next: 'rescind doctor --only log',
      })
    : undefined;

/** A position before every event. */
export const BOTTOM: StartPosition = { epoch: '', seq: 0, hint: null };

/** @throws CliError without the variables of the log, or when its keys cannot be fetched */
export async function openLogReader(settings: Settings): Promise<LogReader> {
  const { RESCIND_ISSUER: log, RESCIND_FEED_CLIENT_ID: clientId, RESCIND_FEED_CLIENT_SECRET: clientSecret } = settings;
  if (log === undefined || clientId === undefined || clientSecret === undefined) {
    throw new CliError('usage', 'log_not_configured', 'The log is not configured', {
      next: 'set RESCIND_ISSUER, RESCIND_FEED_CLIENT_ID and RESCIND_FEED_CLIENT_SECRET_FILE',
    });
  }
  const address = (settings.RESCIND_ISSUER_URL ?? log).replace(/\/+$/, '');
  requireSecure(address, settings);
  const telemetry = silentTelemetry;
  const keys = openKeySource({ url: `${address}/.well-known/event-jwks.json`, name: 'event_keys', telemetry });
  try {
    await keys.ready(AbortSignal.timeout(settings.RESCIND_TIMEOUT));
  } catch (error) {
    const [check] = keys.health();
    await keys.close();
    throw new CliError(
      'failed',
      'keys_unreachable',
      `The keys of the log cannot be read from ${address} (${check?.lastError ?? 'no answer'})`,
      {
        next: 'rescind doctor',
        cause: error,
      },
    );
  }
  const transport = httpTransport({ issuer: address, clientId, clientSecret, telemetry });
  const decoder: EventDecoder = createEventDecoder({ log, issuers: [log], keys });
  return {
    log,
    decode: (jws) => decoder.decode(jws),
    open: (listener) =>
      transport.open({
        opened: () => undefined,
        start: () => listener.start(),
        lost: (reason) => listener.lost(reason),
        async records(batch) {
          for (const { jws } of batch) await listener.record(await decodeKnown(jws));
        },
      }),
    [Symbol.asyncDispose]: () => keys.close(),
  };

  /** A key that is not known yet is fetched first. */
  async function decodeKnown(jws: string): Promise<DecodedRecord> {
    const record = decoder.decode(jws);
    if (record.kind !== 'bad' || record.reason !== 'key_unknown') return record;
    await keys.refetch?.();
    return decoder.decode(jws);
  }
}
