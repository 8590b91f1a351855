import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import { createSigner, generateSigningKey } from '@rescind/token/signing';
import Database from 'better-sqlite3';
import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';

/** What the driver does to the topic, and reads of it, by connections of its own. */
export interface TopicAccess {
  remove(): Promise<void>;
  /** Removes half of the records. Resolves with how many. */
  truncate(): Promise<number>;
  /** Writes records that nobody has signed, or another key. */
  writeRubbish(count: number, issuer: string, epoch: string): Promise<void>;
  /** The sequences of each epoch in the topic, in the order of their first appearance. */
  sequences(): Promise<Map<string, number[]>>;
}

/** How long the topic may take to be read. */
const LIMIT_MS = 15_000;

export function openTopicAccess(brokers: readonly string[], topic: string): TopicAccess {
  patchRequestQueue();
  const retry = { retries: 3, initialRetryTime: 200, maxRetryTime: 1_000 };
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: 'chaos',
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    retry,
  });
  /** Each use has connections of its own: brokers are killed between two. */
  const withAdmin = async <T>(work: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = kafka.admin();
    try {
      await admin.connect();
      return await work(admin);
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  };
  const offsetsBy = async (admin: Admin) => {
    const [found] = await admin.fetchTopicOffsets(topic);
    return { low: Number(found?.low ?? 0), high: Number(found?.high ?? 0) };
  };

  async function readAll(each: (text: string) => void): Promise<void> {
    const { low, high } = await withAdmin(offsetsBy);
    if (low >= high) return;
    const consumer = kafka.consumer({ groupId: `chaos-${process.pid}-${Date.now()}` });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`the topic was not read within ${LIMIT_MS} ms`)), LIMIT_MS);
    try {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        eachBatch: async ({ batch }) => {
          for (const { value } of batch.messages) each(value?.toString() ?? '');
          if (Number(batch.lastOffset()) >= high - 1) resolve();
        },
      });
      await promise;
    } finally {
      clearTimeout(timer);
      await consumer.disconnect().catch(() => undefined);
    }
  }

  return {
    remove: () => withAdmin((admin) => admin.deleteTopics({ topics: [topic], timeout: 5_000 })),
    truncate: () =>
      withAdmin(async (admin) => {
        const { low, high } = await offsetsBy(admin);
        const offset = Math.floor((low + high) / 2);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
        return offset - low;
      }),
    async writeRubbish(count, issuer, epoch) {
      const producer = kafka.producer({ allowAutoTopicCreation: false });
      const forge = createSigner(generateSigningKey(), { typ: 'secevent+jwt' });
      const values = rubbish(forge, issuer, epoch);
      const messages = Array.from({ length: count }, (_, index) => ({
        key: issuer,
        value: values[index % values.length] ?? '',
      }));
      try {
        await producer.connect();
        // A broker refuses a request with all of the longest records.
        for (let from = 0; from < messages.length; from += 8) {
          await producer.send({ topic, acks: -1, messages: messages.slice(from, from + 8) });
        }
      } finally {
        await producer.disconnect().catch(() => undefined);
      }
    },
    async sequences() {
      const found = new Map<string, number[]>();
      const seen = new Set<string>();
      await readAll((text) => {
        const { epoch, seq, jti, deny } = payloadOf(text);
        if (typeof epoch !== 'string' || typeof seq !== 'number' || deny === undefined || jti === FORGED) return;
        if (seen.has(`${epoch}:${seq}`)) return;
        seen.add(`${epoch}:${seq}`);
        found.set(epoch, [...(found.get(epoch) ?? []), seq]);
      });
      return found;
    },
  };
}

/**
 * Repeats work that fails, without a pause.
 * @param times how often it is tried at most
 * @throws what the last attempt throws
 */
export async function repeated<T>(times: number, work: () => Promise<T>, log: (line: string) => void): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= times) throw error;
      log(`attempt ${attempt} of ${times} failed: ${String(error)}`);
    }
  }
}

const FORGED = 'forged';

/** Records of every kind that a reader must ignore: among them an event of another key that denies everybody. */
function rubbish(forge: (claims: Record<string, unknown>) => string, iss: string, epoch: string): string[] {
  const at = Date.now();
  const row = { iss, claim: 'iss', value: iss, issuedUntil: at + 1e9, expiresAt: at + 1e9, endsSession: true };
  const event = (seq: number) =>
    forge({
      iss,
      jti: FORGED,
      iat: Math.floor(at / 1_000),
      iat_ms: at,
      txn: FORGED,
      epoch,
      seq,
      prev: null,
      sub_id: { format: 'uri', uri: iss },
      events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
      deny: [row],
    });
  const forged = event(1_000_000);
  return [
    '',
    '{',
    '[]',
    'a.b.c',
    '..',
    'x'.repeat(70_000),
    forged,
    event(1),
    `${forged.slice(0, -8)}AAAAAAAA`,
    '\u0000\r\n',
  ];
}

function payloadOf(text: string): Record<string, unknown> {
  try {
    const payload: unknown = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString());
    return typeof payload === 'object' && payload !== null ? { ...payload } : {};
  } catch {
    return {};
  }
}

/**
 * The sequences of each epoch in the outbox of the issuer, above those of an earlier reading: expired events of before are removed, in
 * any order.
 */
export function outboxSequences(path: string, above: ReadonlyMap<string, readonly number[]>): Map<string, number[]> {
  const database = new Database(path, { readonly: true, timeout: 5_000 });
  try {
    const rows = database.prepare('SELECT epoch, seq FROM rescind_outbox ORDER BY epoch, seq').all();
    const found = new Map<string, number[]>();
    for (const { epoch, seq } of rows as { epoch: string; seq: number }[]) {
      if (seq < (above.get(epoch)?.at(-1) ?? 0)) continue;
      const seqs = found.get(epoch) ?? [];
      found.set(epoch, seqs);
      seqs.push(seq);
    }
    return found;
  } finally {
    database.close();
  }
}

/** How many events the outbox of the issuer has. */
export function outboxLength(path: string): number {
  const database = new Database(path, { readonly: true, timeout: 5_000 });
  try {
    return database.prepare<[], number>('SELECT COUNT(*) FROM rescind_outbox').pluck().get() ?? 0;
  } finally {
    database.close();
  }
}
