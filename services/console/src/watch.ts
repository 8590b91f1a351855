import type { Clock } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { z } from 'zod';
import type { Instance, Propagation, Receipt, Revocation, UserEvent } from './frames.ts';
import type { UpstreamResponse } from './upstream.ts';
import { jsonOf } from './upstream.ts';

const list = z.object({ items: z.array(z.unknown()) });
const withReceipt = z.object({ receipt: z.object({ members: z.array(z.unknown()) }) });

/** The JSON of a body that has the shape of a schema; undefined: it has not, such as a page of a proxy. */
function bodyOf<T>({ text }: UpstreamResponse, shape: z.ZodType): T | undefined {
  const body = jsonOf(text);
  return shape.safeParse(body).success ? (body as T) : undefined;
}

/** @throws RescindError `issuer_unreachable`: what is known is not present any more, and nothing may state that it is */
function isAnswer({ status }: UpstreamResponse): boolean {
  if (status >= 500 || status === 429) throw new RescindError('issuer_unreachable');
  return status === 200;
}

/** Sends a GET request to the administration with the token of an operator. */
type Ask = (path: string) => Promise<UpstreamResponse>;

/** What the console knows of the fleet and of the newest revocations, for all operators whose scopes permit to read it. */
export interface Watch {
  /** Requests the instances again, unless a request ended within the last `FRESH_MS`. @throws RescindError `issuer_unreachable`, as the others */
  refreshInstances(ask: Ask): Promise<void>;
  /** Requests the newest revocations again, with the same limit, and the receipts that are not complete yet. */
  refreshRevocations(ask: Ask): Promise<void>;
  /** Requests the newest events of users, with the same limit. */
  refreshEvents(ask: Ask): Promise<void>;
  /** Events of users, the newest last, at most `MAX_EVENTS`. */
  readonly events: readonly UserEvent[];
  readonly instances: ReadonlyMap<string, Instance>;
  /** The newest first. */
  readonly revocations: readonly Revocation[];
  readonly receipts: ReadonlyMap<string, Receipt>;
  /** By the time of the revocation, the oldest first. */
  propagation(): readonly Propagation[];
  /** The time of the issuer as of the last response, ms since 1970. */
  readonly now: number;
}

/** The shortest time between two requests for the same, in ms: each operator's stream asks twice a second. */
const FRESH_MS = 400;
/** How many revocations are watched: the newest ones. */
const WATCHED_REVOCATIONS = 100;
/** Receipts that are requested in one round. */
const RECEIPTS_AT_ONCE = 8;
/** A receipt that is not complete after `PATIENCE_MS` is requested each `SLOW_MS`. */
const PATIENCE_MS = 60_000;
const SLOW_MS = 10_000;
/** The most points of the propagation that are kept in memory. */
const MAX_POINTS = 2_000;

/** The most events that are kept in memory, and how many requests for how many events one round makes. */
const MAX_EVENTS = 1_000;
const EVENT_PAGES = 5;
const EVENTS_PER_PAGE = 200;

interface FleetBody {
  readonly now: number;
  readonly items: readonly (Omit<Instance, 'asOf'> & { readonly ageMs: number | null })[];
}

/** Creates what all streams share: no operator's stream requests what another one has just requested. */
export function createWatch(clock: Clock): Watch {
  const instances = new Map<string, Instance>();
  const receipts = new Map<string, Receipt>();
  /** By `txn`. */
  const points = new Map<string, Propagation>();
  const askedAt = new Map<string, number>();
  let revocations: readonly Revocation[] = [];
  let events: readonly UserEvent[] = [];
  let now = 0;

  const pending = new Map<string, Promise<void>>();
  /** When the last request ended, and why it failed. */
  const finished = new Map<string, { readonly at: number; readonly failure: unknown }>();
  /** It may fail because the session of the operator whose token it uses has ended: that ends no stream of another. */
  const forOthers = (failure: unknown): void => {
    if (failure instanceof RescindError && failure.code === 'issuer_unreachable') throw failure;
  };
  /** Runs `work`, unless it runs already or has run within `FRESH_MS`. */
  const once = async (name: string, work: () => Promise<void>): Promise<void> => {
    const running = pending.get(name);
    if (running !== undefined) return running.catch(forOthers);
    const last = finished.get(name);
    if (last !== undefined && clock.monotonic() - last.at < FRESH_MS) return forOthers(last.failure);
    let failure: unknown;
    const begun = work()
      .catch((error) => {
        failure = error;
        throw error;
      })
      .finally(() => {
        pending.delete(name);
        finished.set(name, { at: clock.monotonic(), failure });
      });
    pending.set(name, begun);
    return begun;
  };

  async function readInstances(ask: Ask): Promise<void> {
    const response = await ask('/admin/instances');
    if (!isAnswer(response)) return;
    const fleet = bodyOf<FleetBody>(response, list);
    if (fleet === undefined) return;
    now = fleet.now;
    const present = new Set<string>();
    for (const { ageMs, ...one } of fleet.items) {
      present.add(one.id);
      const before = instances.get(one.id);
      const asOf = ageMs === null ? null : fleet.now - ageMs;
      // The age is rounded: between two reports it would change by a millisecond back and forth.
      const isSame = before?.reportedAt === one.reportedAt && before.asOf !== null && asOf !== null;
      instances.set(one.id, { ...one, asOf: isSame ? before.asOf : asOf });
    }
    for (const id of instances.keys()) if (!present.has(id)) instances.delete(id);
  }

  async function readRevocations(ask: Ask): Promise<void> {
    const response = await ask(`/admin/revocations?limit=${WATCHED_REVOCATIONS}`);
    if (!isAnswer(response)) return;
    const page = bodyOf<{ readonly items: readonly Revocation[] }>(response, list);
    if (page === undefined) return;
    revocations = page.items;
    const known = new Set(revocations.map(({ txn }) => txn));
    for (const txn of receipts.keys()) {
      if (known.has(txn)) continue;
      receipts.delete(txn);
      askedAt.delete(txn);
    }
    const time = clock.monotonic();
    const due = revocations.filter(({ txn, appendedAt }) => {
      const receipt = receipts.get(txn);
      if (receipt?.complete === true) return false;
      const isOld = receipt !== undefined && (receipt.of === 0 || now - appendedAt > PATIENCE_MS);
      return !isOld || time - (askedAt.get(txn) ?? Number.NEGATIVE_INFINITY) > SLOW_MS;
    });
    await Promise.all(due.slice(0, RECEIPTS_AT_ONCE).map((one) => readReceipt(ask, one)));
  }

  async function readReceipt(ask: Ask, { txn, appendedAt }: Revocation): Promise<void> {
    const response = await ask(`/admin/revocations/${encodeURIComponent(txn)}`);
    askedAt.set(txn, clock.monotonic());
    if (!isAnswer(response)) return;
    const body = bodyOf<{ readonly receipt: Receipt }>(response, withReceipt);
    // Its revocation may have become too old meanwhile.
    if (body === undefined || !revocations.some((one) => one.txn === txn)) return;
    const { receipt } = body;
    receipts.set(txn, receipt);
    const times = receipt.members.flatMap(({ ms }) => (ms === null ? [] : [ms])).toSorted((a, b) => a - b);
    if (times.length === 0) return;
    const quantile = (share: number) => times[Math.min(times.length - 1, Math.ceil(times.length * share) - 1)] ?? 0;
    points.set(txn, {
      at: appendedAt,
      p50: quantile(0.5),
      p95: quantile(0.95),
      p99: quantile(0.99),
      of: receipt.of,
      reached: receipt.reached,
    });
    const [oldest] = points.keys();
    if (points.size > MAX_POINTS && oldest !== undefined) points.delete(oldest);
  }

  async function readEvents(ask: Ask): Promise<void> {
    const last = events.at(-1)?.seq ?? 0;
    const found: UserEvent[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < (last === 0 ? 1 : EVENT_PAGES); pages++) {
      const response = await ask(
        `/admin/events?limit=${EVENTS_PER_PAGE}${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`,
      );
      if (!isAnswer(response)) return;
      const page = bodyOf<{ readonly items: readonly UserEvent[]; readonly next?: string }>(response, list);
      if (page === undefined) return;
      found.push(...page.items.filter(({ seq }) => seq > last));
      after = page.next;
      if (after === undefined || (page.items.at(-1)?.seq ?? 0) <= last + 1) break;
    }
    if (found.length > 0) events = [...events, ...found.toSorted((a, b) => a.seq - b.seq)].slice(-MAX_EVENTS);
  }

  return {
    get events() {
      return events;
    },
    refreshEvents: (ask) => once('events', () => readEvents(ask)),
    instances,
    receipts,
    get revocations() {
      return revocations;
    },
    get now() {
      return now;
    },
    refreshInstances: (ask) => once('instances', () => readInstances(ask)),
    refreshRevocations: (ask) => once('revocations', () => readRevocations(ask)),
    propagation: () => [...points.values()].toSorted((a, b) => a.at - b.at),
  };
}
