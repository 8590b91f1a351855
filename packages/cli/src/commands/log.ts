import { setTimeout as delay } from 'node:timers/promises';
import type { DecodedRecord } from '@rescind/feed/event';
import { RescindError, silentTelemetry } from '@rescind/revocation';
import { kafkaConnection } from '@rescind/service/configuration';
import type { Context, Register } from '../context.ts';
import type { Exit } from '../errors.ts';
import { CliError } from '../errors.ts';
import type { LogReader } from '../log-reader.ts';
import { BOTTOM, openLogReader, refusalOf } from '../log-reader.ts';
import { createProgress } from '../progress.ts';

type EventOf = Extract<DecodedRecord, { kind: 'event' }>;
type Heartbeat = Extract<DecodedRecord, { kind: 'heartbeat' }>;

/** What was read from the bottom of the log to the head that a heartbeat named. */
interface Reading {
  readonly heartbeat: Heartbeat;
  readonly events: readonly EventOf[];
  /** Records that are not signed by the log, or not known to this version. */
  readonly unusable: readonly string[];
}

/** The longest time without a record while the log is read, in ms. */
const SILENCE_MS = 30_000;

async function readStream({ output, host }: Context, reader: LogReader): Promise<Reading> {
  const { promise, resolve, reject } = Promise.withResolvers<Reading>();
  const events: EventOf[] = [];
  const unusable: string[] = [];
  let heartbeat: Heartbeat | undefined;
  const progress = createProgress(host, output, 'events');
  const late = () => reject(new CliError('failed', 'log_silent', `The log sent nothing for ${SILENCE_MS / 1_000} s`));
  let timer = setTimeout(late, SILENCE_MS);
  const connection = reader.open({
    start: () => BOTTOM,
    lost: (reason) => reject(refusalOf(reason) ?? lostLog(reason)),
    record(record) {
      clearTimeout(timer);
      timer = setTimeout(late, SILENCE_MS);
      if (record.kind === 'heartbeat') heartbeat ??= record;
      if (record.kind === 'event') events.push(record);
      if (record.kind === 'bad') unusable.push(record.reason);
      if (record.kind === 'not-understood') unusable.push(`${record.epoch}:${record.seq} ${record.reason}`);
      progress.to(events.length, heartbeat === undefined ? undefined : heartbeat.head - heartbeat.lowWatermark + 1);
      const read = events.at(-1)?.seq ?? (heartbeat === undefined ? 0 : heartbeat.lowWatermark - 1);
      if (heartbeat !== undefined && read + unusable.length >= heartbeat.head) resolve({ heartbeat, events, unusable });
    },
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    progress.end();
    await connection.close();
  }
}

const lostLog = (reason: string) =>
  new CliError('failed', 'log_lost', `The connection to the log was lost (${reason})`, {
    next: 'rescind doctor --only log',
  });

/** The first difference from a log without gaps whose events name the one before; undefined: none. */
function firstFault({ heartbeat, events, unusable }: Reading): string | undefined {
  if (unusable[0] !== undefined) return `a record is not a valid event: ${unusable[0]}`;
  let before: EventOf | undefined;
  for (const event of events) {
    const { epoch, seq, prev } = event;
    if (epoch !== heartbeat.epoch) return `${epoch}:${seq} is not of the epoch ${heartbeat.epoch}`;
    if (before === undefined && seq > heartbeat.lowWatermark)
      return `begins at ${seq}, and everything from ${heartbeat.lowWatermark} on still denies`;
    if (before !== undefined && seq !== before.seq + 1) return `gap ${before.seq + 1}..${seq - 1}`;
    if (before !== undefined && prev !== before.id) return `${epoch}:${seq} does not follow ${before.id}`;
    before = event;
  }
  const lastOf = events.findLast(({ seq }) => seq === heartbeat.head);
  const isThere = heartbeat.head < heartbeat.lowWatermark || (lastOf !== undefined && lastOf.id === heartbeat.headId);
  return isThere ? undefined : `the head ${heartbeat.epoch}:${heartbeat.head} is missing`;
}

interface Comparison {
  readonly compared: number;
  readonly fault: string | undefined;
}

/** How long the topic is read again while Kafka is not ready, as during the elections after the start of a broker, in ms. */
const ELECTION_MS = 30_000;
/** The pause between two attempts, in ms. */
const RETRY_MS = 2_000;
/** Codes of a cluster that is not ready. */
const TEMPORARY: ReadonlySet<string> = new Set(['kafka_unreachable']);

/** Calls `compareTopic`, again while Kafka is not ready, and writes a note for each failed attempt. */
async function compareTopicWhenReady(
  context: Context,
  reader: LogReader,
  reading: Reading,
): Promise<Comparison | undefined> {
  const deadline = performance.now() + ELECTION_MS;
  for (;;) {
    try {
      return await compareTopic(context, reader, reading);
    } catch (error) {
      const code = error instanceof RescindError ? error.code : '';
      if (!TEMPORARY.has(code) || performance.now() >= deadline || context.interrupted.aborted) throw error;
      const leftS = Math.ceil((deadline - performance.now()) / 1_000);
      context.output.note(`# Kafka is not ready (${code}); tries again for ${leftS} s`);
      await delay(RETRY_MS);
    }
  }
}

/** Compares the stream, which serves the outbox, with the topic: every event that still denies is there, with the same signed text. */
async function compareTopic(
  context: Context,
  reader: LogReader,
  { heartbeat, events }: Reading,
): Promise<Comparison | undefined> {
  const connection = kafkaConnection(context.settings());
  if (connection === undefined) return undefined;
  const { openPublisher } = await import('@rescind/feed-kafka');
  const publisher = openPublisher({ ...connection, log: reader.log, minRetentionMs: 1, telemetry: silentTelemetry });
  const expected = new Map(events.map(({ seq, jws }) => [seq, jws]));
  const found = new Set<number>();
  try {
    for await (const batch of publisher.replay()) {
      for (const jws of batch) {
        const record = reader.decode(jws);
        if (record.kind !== 'event' || record.epoch !== heartbeat.epoch || record.seq > heartbeat.head) continue;
        const own = expected.get(record.seq);
        if (own !== undefined && own !== jws)
          return {
            compared: found.size,
            fault: `${record.epoch}:${record.seq} of the topic is another event than that of the outbox`,
          };
        if (own !== undefined) found.add(record.seq);
      }
    }
  } finally {
    await publisher.close();
  }
  const missing = events.find(({ seq }) => seq >= heartbeat.lowWatermark && !found.has(seq));
  return {
    compared: found.size,
    fault: missing === undefined ? undefined : `the topic lacks ${missing.epoch}:${missing.seq}`,
  };
}

/** Compares it with the revocations that the administrators' port lists from the outbox, if there are credentials for it. */
async function compareAdmin(context: Context, { heartbeat, events }: Reading): Promise<Comparison | undefined> {
  const { RESCIND_OPERATOR: operator, RESCIND_TOKEN: token } = context.settings();
  if (operator === undefined && token === undefined) return undefined;
  const bySeq = new Map(events.map((event) => [event.seq, event.txn]));
  let compared = 0;
  for await (const { epoch, seq, txn } of context.admin().list('/admin/revocations', {}, Number.MAX_SAFE_INTEGER)) {
    if (epoch !== heartbeat.epoch || (seq as number) > heartbeat.head) continue;
    if (bySeq.get(seq as number) !== txn)
      return { compared, fault: `the outbox has ${epoch}:${seq} as ${txn}, the log has not` };
    compared += 1;
  }
  return { compared, fault: undefined };
}

async function verify(context: Context): Promise<Exit | undefined> {
  await using reader = await openLogReader(context.settings());
  const reading = await readStream(context, reader);
  const { heartbeat, events } = reading;
  const own = firstFault(reading);
  const [topic, outbox] =
    own === undefined
      ? [await compareTopicWhenReady(context, reader, reading), await compareAdmin(context, reading)]
      : [];
  const fault = own ?? topic?.fault ?? outbox?.fault;
  const keys = new Set(events.map(({ kid }) => kid)).size;
  const signed = `signed by ${keys} ${keys === 1 ? 'key' : 'keys'}`;
  const uncompared = (why: string) => `not compared: ${own === undefined ? why : 'the log itself is wrong'}`;
  const report = {
    proved: fault === undefined,
    epoch: heartbeat.epoch,
    from: events[0]?.seq ?? null,
    to: heartbeat.head,
    events: events.length,
    keys,
    topic: topic?.compared ?? null,
    outbox: outbox?.compared ?? null,
    fault: fault ?? null,
  };
  context.output.record(
    {
      log: reader.log,
      epoch: report.epoch,
      from: report.from,
      to: report.to,
      'events verified': `${report.events}, ${signed}${own === undefined ? ', without a gap' : ''}`,
      'equal in the topic': report.topic ?? uncompared('KAFKA_BROKERS is not set'),
      'equal in the outbox': report.outbox ?? uncompared('no credentials of an administrator'),
      'first difference': fault ?? 'none',
    },
    { log: reader.log, ...report },
  );
  return fault === undefined ? undefined : 'not_well';
}

/** `rescind log verify`. */
export const registerLog: Register = (program, run) => {
  program
    .command('log')
    .description('the log of revocations')
    .command('verify')
    .description('read the log from its bottom; prove it gapless, signed, and equal to topic and outbox')
    .action(run((context) => verify(context)));
};
