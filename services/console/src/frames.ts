/** The frames of the live stream, which the server writes and the page reads: JSON, one a server-sent event, named by `type`. */

/** The administrator, as `GET /admin/me` returns it. Times are ms since 1970. */
export interface Me {
  readonly now: number;
  readonly who: string;
  readonly username: string | null;
  readonly scopes: readonly string[];
  /** The ids of the operations that the scopes permit. */
  readonly operations: readonly string[];
  readonly authTime: number | null;
  readonly stepUpUntil: number | null;
}

/** The state of an instance, as user-management reports it. */
export type InstanceState = 'live' | 'behind' | 'lost' | 'left' | 'unknown';

/** An instance, as `GET /admin/instances` returns it, with the time of its view instead of the age. */
export interface Instance {
  readonly id: string;
  readonly service: string;
  readonly instance: string;
  readonly version: string | null;
  readonly transport: string | null;
  readonly state: InstanceState;
  readonly epoch: string;
  readonly seq: number;
  readonly lag: number | null;
  /** As of when its view is complete; null: unknown. */
  readonly asOf: number | null;
  readonly suspect: string | null;
  readonly since: number;
  readonly reportedAt: number;
  readonly endedAt: number | null;
}

/** A cut-off of a revocation. */
interface Denial {
  readonly iss: string;
  readonly claim: string;
  readonly value: string;
  readonly issuedUntil: number | null;
  readonly expiresAt: number | null;
  readonly endsSession: boolean;
}

/** A revocation, as `GET /admin/revocations` returns it. */
export interface Revocation {
  readonly txn: string;
  readonly epoch: string;
  readonly seq: number;
  readonly reason: string;
  readonly deny: readonly Denial[];
  readonly appendedAt: number;
  readonly published: boolean;
  readonly expiresAt: number | null;
}

/** An instance of a receipt. */
interface ReceiptMember {
  readonly id: string;
  readonly service: string;
  readonly instance: string;
}

/** How far a revocation has reached the instances: `reached` of `of` deny it. */
export interface Receipt {
  readonly of: number;
  readonly reached: number;
  readonly left: number;
  readonly complete: boolean;
  readonly lastMs: number | null;
  readonly missing: readonly (ReceiptMember & {
    readonly state: InstanceState;
    readonly epoch: string;
    readonly seq: number;
  })[];
  readonly members: readonly (ReceiptMember & { readonly ms: number | null })[];
}

/** How long a revocation took to reach its instances: quantiles of all members, in ms. */
export interface Propagation {
  /** When the revocation was committed, ms since 1970. */
  readonly at: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly of: number;
  readonly reached: number;
}

/** What happened to a user, as `GET /admin/events` returns it. */
export interface UserEvent {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly sub: string | null;
  readonly username: string | null;
  readonly sid: string | null;
  readonly clientId: string | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly actor: string | null;
  readonly txn: string | null;
  readonly deviceName: string | null;
  readonly origin: { readonly address?: string; readonly userAgent?: string };
  readonly count: number;
}

/** A frame of the stream. */
export type Frame =
  /** What follows is the complete state. */
  | { readonly type: 'begin'; readonly now: number }
  /** At least each second. */
  | { readonly type: 'beat'; readonly now: number }
  | { readonly type: 'me'; readonly me: Me }
  | { readonly type: 'fleet'; readonly now: number; readonly rows: InstanceRows; readonly removed: readonly string[] }
  /** The newest ones, the newest first. */
  | { readonly type: 'revocations'; readonly items: readonly Revocation[] }
  | { readonly type: 'receipt'; readonly txn: string; readonly receipt: Receipt }
  | { readonly type: 'propagation'; readonly points: readonly Propagation[] }
  /** The newest last. `missed`: how many events before the first of them were not sent. */
  | { readonly type: 'events'; readonly items: readonly UserEvent[]; readonly missed: number }
  /** User-management does not respond: no state follows until it does. */
  | { readonly type: 'unreachable' }
  /** The last frame: the session of the operator has ended. */
  | { readonly type: 'ended' };

/** Instances as rows of small numbers, so that a thousand take some 60 kB: a text is its index in `texts`, a time its difference to `base`. */
export interface InstanceRows {
  readonly base: number;
  readonly texts: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

const STATES: readonly InstanceState[] = ['live', 'behind', 'lost', 'left', 'unknown'];

/** Writes instances as rows. */
export function toRows(instances: readonly Instance[], base: number): InstanceRows {
  const indexes = new Map<string, number>();
  const textOf = (text: string | null): number | null => {
    if (text === null) return null;
    const index = indexes.get(text) ?? indexes.size;
    indexes.set(text, index);
    return index;
  };
  const timeOf = (time: number | null) => (time === null ? null : time - base);
  const rows = instances.map((one) => {
    const row = [
      ...[one.id, textOf(one.service), one.instance, STATES.indexOf(one.state)],
      ...[textOf(one.version), textOf(one.transport), textOf(one.epoch), one.seq, one.lag],
      ...[timeOf(one.asOf), Math.round((one.since - base) / 1_000), timeOf(one.reportedAt)],
      ...[timeOf(one.endedAt), textOf(one.suspect)],
    ];
    // Most instances have neither ended nor a suspect view.
    while (row.at(-1) === null) row.pop();
    return row;
  });
  return { base, texts: [...indexes.keys()], rows };
}

/** Reads what `toRows` has written. */
export function fromRows({ base, texts, rows }: InstanceRows): Instance[] {
  const textOf = (index: unknown) => (typeof index === 'number' ? (texts[index] ?? null) : null);
  const numberOf = (value: unknown) => (typeof value === 'number' ? value : null);
  const timeOf = (value: unknown) => (typeof value === 'number' ? value + base : null);
  return rows.map((row) => ({
    id: String(row[0]),
    service: textOf(row[1]) ?? '',
    instance: String(row[2]),
    state: STATES[Number(row[3])] ?? 'unknown',
    version: textOf(row[4]),
    transport: textOf(row[5]),
    epoch: textOf(row[6]) ?? '',
    seq: Number(row[7]),
    lag: numberOf(row[8]),
    asOf: timeOf(row[9]),
    since: base + Number(row[10]) * 1_000,
    reportedAt: timeOf(row[11]) ?? base,
    endedAt: timeOf(row[12]),
    suspect: textOf(row[13]),
  }));
}
