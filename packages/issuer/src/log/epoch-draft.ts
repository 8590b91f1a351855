import type { EventEncoder } from '@rescind/feed';
import { readOwnEvent } from '@rescind/feed';
import type { EpochMillis, Revocation } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { isAboutEventKeys } from '../revoke/cut-offs.ts';
import { createId } from '../session/mint.ts';
import type { StoreReads } from '../store/store.ts';
import type { SignedEvent } from './appender.ts';
import { counterOf, toEpoch } from './epoch.ts';
import { denialsOfEventKeys, revokedEventKids } from './event-key-denials.ts';

/**
 * The next epoch, signed bit by bit before it is opened: signatures of all that still denies would otherwise stop logins
 * for as long as they take.
 */
export interface EpochDraft {
  readonly epoch: string;
  /** What has been signed so far, in order. */
  readonly events: readonly { readonly revocation: Revocation; readonly signed: SignedEvent }[];
  /** The event keys that its first events deny. */
  readonly revokedEventKids: readonly string[];
  /** The seq, in the present epoch, of the last of them; what follows is yet to be said. */
  readonly upTo: number;
  /** Signs some more; true when little is left, or it has been at it for long enough. */
  advance(): Promise<boolean>;
}

interface DraftOptions {
  readonly reads: StoreReads;
  /** Of the key that will sign then. */
  readonly encoder: EventEncoder;
  readonly now: () => EpochMillis;
}

/** Some 50 ms of signatures at a time. */
const ROWS_AT_ONCE = 200;
/** Ten minutes of rounds, a second each: whoever revokes faster than this signs has to wait once. */
const MOST_ROUNDS = 600;

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
    const place = { epoch, seq: events.length + 1, id, prev: events.at(-1)?.signed.id ?? null };
    events.push({ revocation, signed: { id, at, jws: encoder.event({ ...revocation, ...place, at }) } });
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
      return rows.length < ROWS_AT_ONCE || rounds >= MOST_ROUNDS;
    },
  };
}
