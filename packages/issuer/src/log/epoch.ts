import type { EventEncoder } from '@rescind/feed/event';
import { readOwnEvent } from '@rescind/feed/event';
import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { Revocation } from '@rescind/revocation/cut-off';
import { denyEventKid, isAboutEventKeys, splitRevocation } from '../revoke/cut-offs.ts';
import { createId } from '../session/refresh-token.ts';
import type { StoreReads } from '../store/store.ts';
import type { SignedEvent, Transaction } from '../transaction.ts';

/** Digits of the counter: enough for one restore a second for 300 years. */
const DIGITS = 10;
const SHAPE = /^(\d{10})-/;

/** Sorts, as text, above every epoch with a lower counter; the random part distinguishes two restores of one backup. */
export function toEpoch(counter: number): string {
  return `${String(counter).padStart(DIGITS, '0')}-${createId()}`;
}

/** The counter of an epoch; 0 if the text is no epoch of this format. */
export function counterOf(epoch: string): number {
  return Number(SHAPE.exec(epoch)?.[1] ?? 0);
}

/** The counter for a database that was lost completely: below every former epoch. */
export const LOST_EPOCH_COUNTER = 0;
export const FIRST_EPOCH_COUNTER = 1;

const REASON = 'event_key_revoked';

/** Every event key that was ever revoked. */
async function revokedEventKids({ keys }: Pick<StoreReads, 'keys'>): Promise<string[]> {
  return (await keys.all('event')).flatMap(({ kid, state }) => (state === 'revoked' ? [kid] : []));
}

/** The denials with which an epoch begins: readers that know one of these keys must no longer accept it. */
async function denialsOfEventKeys(
  { keys, meta }: Pick<StoreReads, 'keys' | 'meta'>,
  at: EpochMillis,
): Promise<Revocation[]> {
  const issuer = (await meta.issuer()) ?? '';
  const cutOffs = (await revokedEventKids({ keys })).map((kid) => denyEventKid(issuer, kid, at));
  return splitRevocation({ txn: createId(), reason: REASON, cutOffs });
}

export async function denyRevokedEventKeys(tx: Transaction, at: EpochMillis): Promise<void> {
  for (const revocation of await denialsOfEventKeys(tx.store, at)) tx.append(revocation);
}

/** Ends the present epoch: appends the event, the last that its key signs, by which the key revokes itself. */
export async function appendClosingEvent(tx: Transaction, kid: string): Promise<void> {
  const { outbox, meta, closingEvents } = tx.store;
  const cutOffs = [denyEventKid((await meta.issuer()) ?? '', kid, tx.now())];
  const record = tx.append({ txn: createId(), reason: REASON, cutOffs });
  await tx.flush();
  const { txn, epoch } = record;
  for (const { jws } of await outbox.ofTxn(txn)) await closingEvents.add({ epoch, jws });
}

/**
 * The next epoch, signed in parts before it is opened. Signing everything that still denies at once would block logins
 * meanwhile.
 */
export interface EpochDraft {
  readonly epoch: string;
  /** The events signed so far, in order. */
  readonly events: readonly { readonly revocation: Revocation; readonly signed: SignedEvent }[];
  /** The event keys that its first events deny. */
  readonly revokedEventKids: readonly string[];
  /** The seq up to which the draft contains the present epoch. */
  readonly upTo: number;
  /** Signs a part. @returns true when little is left, or after `MAX_ROUNDS` calls: then the epoch may be opened */
  advance(): Promise<boolean>;
}

interface DraftOptions {
  readonly reads: StoreReads;
  /** The encoder of the key that signs the next epoch. */
  readonly encoder: EventEncoder;
  readonly now: () => EpochMillis;
}

/** Rows that are signed at a time: some 50 ms of signatures. */
const ROWS_AT_ONCE = 200;
/** Ten minutes of rounds, one a second. If revocations arrive faster than this signs them, the rest is signed in one transaction. */
const MAX_ROUNDS = 600;

export async function createEpochDraft({ reads, encoder, now }: DraftOptions): Promise<EpochDraft> {
  const { meta, outbox } = reads;
  const former = await meta.identity();
  if (former === undefined) throw new Error('the log has no epoch');
  const epoch = toEpoch(counterOf(former.epoch) + 1);
  const events: { revocation: Revocation; signed: SignedEvent }[] = [];
  const revokedKids = await revokedEventKids(reads);
  let upTo = 0;
  let rounds = 0;

  function sign(revocation: Revocation, at: EpochMillis): void {
    const id = createId();
    const position = { epoch, seq: events.length + 1, id, prev: events.at(-1)?.signed.id ?? null };
    events.push({ revocation, signed: { id, at, jws: encoder.event({ ...revocation, ...position, at }) } });
  }
  for (const revocation of await denialsOfEventKeys(reads, now())) sign(revocation, now());

  return {
    epoch,
    events,
    revokedEventKids: revokedKids,
    get upTo() {
      return upTo;
    },
    async advance() {
      const at = now();
      const rows = await outbox.liveAfter(at - CLOCK_TOLERANCE_MS, upTo, ROWS_AT_ONCE);
      for (const row of rows) {
        const revocation = readOwnEvent(row.jws);
        if (!isAboutEventKeys(revocation)) sign(revocation, at);
        upTo = row.seq;
      }
      rounds += 1;
      return rows.length < ROWS_AT_ONCE || rounds >= MAX_ROUNDS;
    },
  };
}

/**
 * Opens the epoch after the present one, inside one transaction: what still denies is appended to it again, signed by the
 * present event key. Unsent events of the old epoch need not be sent: those that still deny are in the new one.
 *
 * @param draft the part of the epoch that has been signed already, by that key
 */
export async function openNextEpoch(tx: Transaction, draft?: EpochDraft): Promise<void> {
  const { meta, outbox } = tx.store;
  const identity = await meta.identity();
  if (identity === undefined) throw new Error('the log has no epoch');
  const at = tx.now();
  // Expired events are left out. Their tokens stay expired only if the clock never shows an earlier time.
  await meta.raiseClockFloor(at);
  const rest = await outbox.liveAfter(at - CLOCK_TOLERANCE_MS, draft?.upTo ?? 0, Number.MAX_SAFE_INTEGER);
  const revocations = rest.map(({ jws }) => readOwnEvent(jws)).filter((revocation) => !isAboutEventKeys(revocation));
  const isDrafted = draft !== undefined;
  await tx.openEpoch(draft?.epoch ?? toEpoch(counterOf(identity.epoch) + 1));
  if (!isDrafted) await denyRevokedEventKeys(tx, at);
  for (const { revocation, signed } of draft?.events ?? []) tx.append(revocation, signed);
  // Event keys may have been revoked since the draft was begun.
  if (isDrafted && draft.revokedEventKids.length < (await revokedEventKids(tx.store)).length)
    await denyRevokedEventKeys(tx, at);
  for (const revocation of revocations) tx.append(revocation);
}
