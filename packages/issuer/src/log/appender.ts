import type { EventEncoder } from '@rescind/feed';
import { EVENT_KID } from '@rescind/feed';
import type { Denial, EpochMillis } from '@rescind/revocation';
import { toCutoff } from '@rescind/revocation';
import type { RevocationRecord } from '../issuer-revocations.ts';
import { createId } from '../session/mint.ts';
import type { Meta, OtherIssuers, Outbox, OutboxRow, Revocations } from '../store/log.ts';

/** What an event says, apart from its place in the log. */
export interface Revocation {
  readonly txn: string;
  readonly reason: string;
  readonly deny: readonly Denial[];
}

/** An event that was signed for its place before. */
export interface SignedEvent {
  readonly id: string;
  readonly at: EpochMillis;
  readonly jws: string;
}

/** Writes the log, inside the caller's transaction. */
export interface Appender {
  /** Signs an event, unless that has been done, and puts it, with its rows, at the head. */
  append(revocation: Revocation, at: EpochMillis, signed?: SignedEvent): RevocationRecord;
}

interface AppenderOptions {
  readonly meta: Meta;
  readonly outbox: Outbox;
  readonly revocations: Revocations;
  readonly otherIssuers: OtherIssuers;
  readonly encoder: () => EventEncoder;
}

export function createAppender({ meta, outbox, revocations, otherIssuers, encoder }: AppenderOptions): Appender {
  return {
    append({ txn, reason, deny }, now, signed) {
      const identity = meta.identity();
      if (identity === undefined) throw new Error('the log has no epoch');
      const { epoch, head, last } = identity;
      const seq = head + 1;
      const { id = createId(), at = now } = signed ?? {};
      const jws = signed?.jws ?? encoder().event({ epoch, seq, id, prev: last, txn, reason, at, deny });
      const given = outbox.append({
        jti: id,
        txn,
        jws,
        revocation: JSON.stringify({ reason, deny }),
        expiresAt: Math.max(...deny.map(({ expiresAt }) => expiresAt)),
        appendedAt: at,
      });
      if (given !== seq) throw new Error(`the outbox gave seq ${given} where ${seq} was due`);
      meta.moveHead(seq, id);
      const own = meta.issuer();
      for (const denial of deny) {
        if (denial.claim !== EVENT_KID) revocations.merge(toCutoff(denial, { txn, reason, epoch, seq }));
        if (denial.iss !== own) otherIssuers.add(denial.iss);
      }
      return { txn, epoch, seq };
    },
  };
}

/** What a row of the outbox says, to say it anew: the same txn, T and E. */
export function revocationOf({ txn, revocation }: OutboxRow): Revocation {
  const { reason, deny } = JSON.parse(revocation);
  return { txn, reason, deny };
}
