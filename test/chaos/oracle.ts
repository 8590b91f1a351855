import type { SessionEntry, TokenEntry } from './ledger.ts';
import { acknowledgementOf, attemptOf } from './ledger.ts';

/** What must hold at every moment, whatever fails. docs/chaos.md explains each. */
export const INVARIANTS = {
  'revoked-is-refused': 'no instance accepts a token whose revocation was acknowledged more than MAX_STALENESS ago',
  'stays-revoked': 'an instance that has stored the denial of a token never accepts it again',
  'only-revoked-is-refused': 'no token is refused as revoked before somebody has sent a request to revoke it',
  'refresh-works-once': 'all uses of a refresh token that succeed return the same successor',
  'log-has-no-gap': 'the outbox and the topic have each event of an epoch, in order',
  'position-never-falls': 'the epoch and position of a running instance never go back, unless a backup was restored',
  'ended-stays-ended': 'the issuer exchanges no refresh token of a session whose end it has acknowledged',
  'age-is-honest':
    'an instance denies all that was acknowledged before the time as of which it reports a complete view',
  'stale-view-refuses': 'no instance accepts a token once the issuer has been silent for longer than MAX_STALENESS',
  'acknowledged-is-kept': 'a session whose login was acknowledged, and which nobody has ended, continues',
} as const;

export type Invariant = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: Invariant;
  /** Monotonic ms of the driver. */
  readonly at: number;
  readonly detail: string;
}

/** An answer of an instance about a token: `200`, or the code of the refusal. Times are monotonic ms of the driver. */
interface Answer {
  readonly instance: string;
  readonly token: TokenEntry;
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly verdict: string;
  /** The number of starts of the instance, as the request was sent and as its answer arrived. */
  readonly started: readonly [number, number];
}

/** What an instance reports about its view. */
interface ViewSample {
  readonly instance: string;
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly ageMs: number | null;
  readonly complete: boolean;
  readonly epoch: string;
  readonly seq: number;
  /** Rows that are enforced and not yet in the file. */
  readonly pendingRows: number;
  readonly started: readonly [number, number];
}

/** The denial of a token at an instance. */
interface Denial {
  readonly at: number;
  /** Whether the file has it, too. */
  durable: boolean;
}

interface InstanceView {
  readonly denials: Map<TokenEntry, Denial>;
  /** The latest time as of which this process has reported a complete view, and when it did. */
  asOf: { readonly at: number; readonly reportedAt: number; readonly started: number } | null;
  position: { readonly epoch: string; readonly seq: number; readonly started: number } | null;
}

export interface OracleOptions {
  readonly maxStalenessMs: number;
  /** How much later than the limit an answer must be to violate it, ms: clocks are rounded. */
  readonly slackMs: number;
  /** Called once for each violation. */
  readonly violated: (violation: Violation) => void;
}

/** The test oracle: compares what instances and issuer answer with the ledger, by the invariants. Pure: it has no clock of its own. */
export interface Oracle {
  answered(answer: Answer): void;
  sampled(sample: ViewSample): void;
  /** The instance was killed, or has ended otherwise: what its file does not have may be forgotten. */
  ended(instance: string): void;
  /** From now on no process of the issuer runs. */
  issuerFellSilent(at: number): void;
  issuerRunsAgain(): void;
  /** While `isRestoring`, positions may go back: a backup is being restored. */
  restoring(isRestoring: boolean): void;
  /** Successors that uses of one refresh token have returned. */
  exchanged(session: SessionEntry, used: string, successor: string, at: number): void;
  /** The issuer refused a refresh token that was never used before, as invalid. */
  refusedRefresh(session: SessionEntry, sentAt: number, at: number): void;
  /**
   * The sequences that a log has, per epoch, in the order of their first appearance.
   * @param kept the epochs of which it must have the first event, too. Default: none
   */
  logRead(
    where: string,
    sequences: ReadonlyMap<string, readonly number[]>,
    at: number,
    kept?: ReadonlySet<string>,
  ): void;
  /** The first time at which each instance denied a token; for latencies. */
  deniedAt(instance: string, token: TokenEntry): number | undefined;
}

export function createOracle({ maxStalenessMs, slackMs, violated }: OracleOptions): Oracle {
  const views = new Map<string, InstanceView>();
  const successors = new Map<string, string>();
  let silentSince: number | null = null;
  let isRestoring = false;
  const viewOf = (instance: string): InstanceView => {
    const known = views.get(instance) ?? { denials: new Map(), asOf: null, position: null };
    views.set(instance, known);
    return known;
  };
  const reported = new Set<string>();
  /** Reports a violation once for each subject: an instance that accepts a revoked token is asked about it again and again. */
  const report = (invariant: Invariant, at: number, subject: string, detail: string) => {
    if (reported.has(`${invariant} ${subject}`)) return;
    reported.add(`${invariant} ${subject}`);
    violated({ invariant, at, detail });
  };

  function accepted({ instance, token, sentAt, receivedAt, started }: Answer): void {
    const name = `${instance} accepted token ${token.id}`;
    const acknowledged = acknowledgementOf(token);
    if (acknowledged !== null && sentAt > acknowledged + maxStalenessMs + slackMs) {
      report(
        'revoked-is-refused',
        receivedAt,
        name,
        `${name}, ${round(sentAt - acknowledged)} ms after the acknowledgement`,
      );
    }
    if (silentSince !== null && sentAt > silentSince + maxStalenessMs + slackMs) {
      report(
        'stale-view-refuses',
        receivedAt,
        name,
        `${name}, the issuer was silent for ${round(sentAt - silentSince)} ms`,
      );
    }
    if (started[0] !== started[1]) return;
    const { denials, asOf } = viewOf(instance);
    const denial = denials.get(token);
    if (denial !== undefined && sentAt > denial.at) {
      report('stays-revoked', receivedAt, name, `${name}, which it had denied ${round(sentAt - denial.at)} ms before`);
    }
    const isCovered = asOf !== null && asOf.started === started[0] && sentAt >= asOf.reportedAt;
    if (isCovered && acknowledged !== null && acknowledged < asOf.at) {
      const ms = round(asOf.at - acknowledged);
      report(
        'age-is-honest',
        receivedAt,
        name,
        `${name}; its view is complete as of ${ms} ms after the acknowledgement`,
      );
    }
  }

  function refusedAsRevoked({ instance, token, receivedAt, started }: Answer): void {
    const attempted = attemptOf(token);
    if (attempted === null || attempted > receivedAt) {
      const name = `${instance} refused token ${token.id}`;
      report('only-revoked-is-refused', receivedAt, name, `${name}, which nobody has revoked`);
    }
    if (started[0] !== started[1]) return;
    const { denials } = viewOf(instance);
    if (!denials.has(token)) denials.set(token, { at: receivedAt, durable: false });
  }

  function comparePosition(view: InstanceView, sample: ViewSample): void {
    const { instance, epoch, seq, started, receivedAt } = sample;
    const before = view.position;
    view.position = { epoch, seq, started: started[0] };
    if (before === null || isRestoring || epoch === '' || before.epoch === '') return;
    const fell = epoch < before.epoch || (epoch === before.epoch && seq < before.seq);
    if (before.started !== started[0] || !fell) return;
    report(
      'position-never-falls',
      receivedAt,
      `${instance} ${epoch}:${seq}`,
      `${instance} went from ${before.epoch}:${before.seq} to ${epoch}:${seq}`,
    );
  }

  return {
    answered(answer) {
      if (answer.verdict === '200') accepted(answer);
      if (answer.verdict === 'token_revoked') refusedAsRevoked(answer);
    },
    sampled(sample) {
      const { instance, sentAt, receivedAt, ageMs, complete, pendingRows, started } = sample;
      if (started[0] !== started[1]) return;
      const view = viewOf(instance);
      if (pendingRows === 0) {
        for (const denial of view.denials.values()) if (denial.at < sentAt) denial.durable = true;
      }
      comparePosition(view, sample);
      if (!complete || ageMs === null) return;
      // The age is rounded, and the answer was made at some time between the two.
      const at = sentAt - ageMs - slackMs / 10;
      const isLater = view.asOf === null || view.asOf.started !== started[0] || at > view.asOf.at;
      if (isLater) view.asOf = { at, reportedAt: receivedAt, started: started[0] };
    },
    ended(instance) {
      const { denials } = viewOf(instance);
      for (const [token, denial] of denials) if (!denial.durable) denials.delete(token);
    },
    issuerFellSilent(at) {
      silentSince ??= at;
    },
    issuerRunsAgain() {
      silentSince = null;
    },
    restoring(next) {
      isRestoring = next;
    },
    exchanged(session, used, successor, at) {
      const { acknowledgedAt } = session;
      if (acknowledgedAt !== null) {
        report(
          'ended-stays-ended',
          at,
          used,
          `a session was refreshed after its end, acknowledged at ${round(acknowledgedAt)}`,
        );
      }
      const before = successors.get(used);
      if (before !== undefined && before !== successor) {
        report('refresh-works-once', at, used, 'a refresh token was exchanged for two different successors');
      }
      successors.set(used, successor);
    },
    refusedRefresh(session, sentAt, at) {
      const isExplained = session.lost || session.user.retired || session.attemptedAt !== null;
      if (isExplained) return;
      report(
        'acknowledged-is-kept',
        at,
        String(sentAt),
        `the issuer refused the current refresh token of a session, sent at ${round(sentAt)}`,
      );
    },
    logRead(where, sequences, at, kept = new Set()) {
      for (const [epoch, seqs] of sequences) {
        // An event may come again after a later one, but the first of each comes in order.
        let last = kept.has(epoch) ? 0 : (seqs[0] ?? 0);
        for (const seq of seqs) {
          const gap = `${where}: event ${seq} of ${epoch} follows ${last}`;
          if (seq > last + 1) report('log-has-no-gap', at, gap, gap);
          last = Math.max(last, seq);
        }
      }
    },
    deniedAt: (instance, token) => views.get(instance)?.denials.get(token)?.at,
  };
}

const round = (ms: number) => Math.round(ms);
