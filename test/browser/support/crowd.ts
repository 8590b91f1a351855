import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Fleet } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';
import Database from 'better-sqlite3';

/** A generator of numbers from 0 to 1, by seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface CrowdOptions {
  readonly sessions: number;
  /** Default: one for each ten sessions. */
  readonly users?: number;
  readonly seed: number;
}

const DEVICES = ['Phone', 'Office computer', 'Tablet', 'Firefox on Linux', 'Kitchen display'];
const HOUR_MS = 3_600_000;

/** A row of SQLite, by column. */
type Row = Record<string, unknown>;

/**
 * Copies one user, one session and one event of the issuer's database, which a real login has made, as often as asked, while the issuer is
 * stopped. Users are `member-00001` and so on.
 * @returns the ids of the sessions, the oldest first
 */
export async function fillSessions(fleet: Fleet, options: CrowdOptions): Promise<readonly string[]> {
  const { sessions, seed, users = Math.ceil(sessions / 10) } = options;
  await fleet.client.login(await fleet.client.register(), DEVICES[0] ?? '');
  await fleet.issuer.stop('SIGTERM');
  const random = randomOf(seed);
  const idOf = () =>
    Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32).toString(36))
      .join('')
      .padEnd(28, '0');
  const database = new Database(join(fleet.directory, 'user-management.sqlite'));
  const now = Date.now();
  const sids: string[] = [];
  try {
    const copier = (table: string, condition: string, more: Row = {}) => {
      const { seq: _, ...row } = database.prepare(`SELECT * FROM ${table} WHERE ${condition} LIMIT 1`).get() as Row;
      const names = Object.keys(row);
      const insert = database.prepare(
        `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((name) => `@${name}`).join(', ')})`,
      );
      return (changed: Row) => insert.run({ ...row, ...more, ...changed });
    };
    const addUser = copier('accounts', "username LIKE 'user-%'");
    const addSession = copier('rescind_sessions', 'ended_at IS NULL');
    const addEvent = copier('rescind_user_events', "type = 'login'");
    database.transaction(() => {
      const subs = Array.from({ length: users }, (_, index) => {
        const [sub, username] = [idOf(), `member-${String(index + 1).padStart(5, '0')}`];
        addUser({ sub, username, name_key: username, created_at: now - 48 * HOUR_MS });
        return sub;
      });
      for (let index = 0; index < sessions; index++) {
        const [sid, sub] = [idOf(), subs[Math.floor(random() * users)] ?? ''];
        const at = now - Math.floor(HOUR_MS * (1 + 23 * (1 - index / sessions)));
        const device_name = DEVICES[Math.floor(random() * DEVICES.length)] ?? '';
        const times = { created_at: at, last_used_at: at + Math.floor(random() * HOUR_MS) };
        addSession({ sid, sub, selector: idOf(), device_name, ...times });
        addEvent({ sid, sub, device_name, at, last_at: at });
        sids.push(sid);
      }
    })();
  } finally {
    database.close();
  }
  await fleet.issuer.start();
  await fleet.issuer.ready();
  return sids;
}

/** Where an instance is in the log. */
interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** Instances that only send reports, over HTTP, as guards do. */
export interface Reporters extends AsyncDisposable {
  /** Lets each instance report a position after a delay of its own, as it would after the event. Those that are stopped do not. */
  advance(position: Position): void;
  /** Instances whose index is chosen report no more; with `leaving` they say so. */
  stop(isChosen: (index: number) => boolean, leaving?: boolean): Promise<void>;
  /** Instances whose index is chosen keep their position. */
  hold(isChosen: (index: number) => boolean): void;
}

const SERVICES = ['orders', 'prices'] as const;
const EVERY_MS = 5_000;

/** Starts instances: the first half of `orders`, the others of `prices`. Resolves when each has been heard. */
export async function openReporters(
  fleet: Fleet,
  { count, seed, at }: { readonly count: number; readonly seed: number; readonly at: Position },
): Promise<Reporters> {
  const random = randomOf(seed);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const { hostname, port } = new URL(fleet.issuer.url);
  const authorizations = new Map(
    SERVICES.map((service) => [
      service,
      basicAuthorization(service, readFileSync(join(fleet.directory, service, 'feed-client-secret'), 'utf8')),
    ]),
  );
  const one = (index: number) => {
    const service = SERVICES[index < count / 2 ? 0 : 1];
    return {
      ...{ service, name: `${service}-${index + 1}`, key: randomBytes(18).toString('base64url') },
      ...{ position: at, held: performance.now(), isHeld: false, isStopped: false },
      /** The least wait before the next report, and the time of the last one. */
      ...{ nextMs: 250, sentAt: 0, timer: undefined as NodeJS.Timeout | undefined },
    };
  };
  type Instance = ReturnType<typeof one>;
  const instances = Array.from({ length: count }, (_, index) => one(index));

  const send = (instance: Instance, leaving = false) =>
    new Promise<void>((resolve, reject) => {
      const heldMs = Math.round(performance.now() - instance.held);
      const body = JSON.stringify({
        ...{ key: instance.key, instance: instance.name, version: '1.4.0', ...instance.position, heldMs, leaving },
        ...{ earlier: [], ageMs: Math.round(random() * 900), suspect: null, transport: 'kafka' },
      });
      const headers = { authorization: authorizations.get(instance.service), 'content-type': 'application/json' };
      const sent = request({ agent, hostname, port, method: 'POST', path: '/revocations/reports', headers });
      sent.on('response', (response) => {
        json(response).then((answer) => {
          const { nextMs } = Object(answer) as { nextMs?: number };
          instance.nextMs = nextMs ?? 1_000;
          resolve();
        }, reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const schedule = (instance: Instance, waitMs: number) => {
    clearTimeout(instance.timer);
    if (instance.isStopped) return;
    instance.timer = setTimeout(() => {
      instance.sentAt = performance.now();
      // A report that is refused or lost is sent again in time.
      void send(instance)
        .catch(() => undefined)
        .then(() => schedule(instance, EVERY_MS * (0.9 + random() * 0.1)));
    }, waitMs);
  };

  await Promise.all(instances.map((instance) => send(instance)));
  for (const instance of instances) schedule(instance, random() * EVERY_MS);
  return {
    advance(position) {
      for (const instance of instances) {
        if (instance.isHeld || instance.isStopped) continue;
        // Most apply an event within 40 ms, some take longer.
        const delayMs = 3 + random() * 40 + (random() < 0.02 ? random() * 400 : 0);
        setTimeout(() => {
          Object.assign(instance, { position, held: performance.now() });
          schedule(instance, Math.max(0, instance.sentAt + instance.nextMs - performance.now()));
        }, delayMs);
      }
    },
    async stop(isChosen, leaving = false) {
      for (const [index, instance] of instances.entries()) {
        if (!isChosen(index) || instance.isStopped) continue;
        instance.isStopped = true;
        clearTimeout(instance.timer);
        if (leaving) await send(instance, true);
      }
    },
    hold(isChosen) {
      for (const [index, instance] of instances.entries()) if (isChosen(index)) instance.isHeld = true;
    },
    async [Symbol.asyncDispose]() {
      for (const instance of instances) {
        instance.isStopped = true;
        clearTimeout(instance.timer);
      }
      agent.destroy();
    },
  };
}
