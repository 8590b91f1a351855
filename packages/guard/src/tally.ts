import type { DurationMs } from '@rescind/revocation';
import type { VerifiedTokenCache } from './cache/seen.ts';
import type { Decision } from './decision.ts';
import type { GuardSettings } from './options.ts';

/** Counts decisions, and measures how long they took. */
export interface DecisionMetrics {
  /** Of one that took from `startedAt` (monotonic ms) on. */
  given(decision: Decision, startedAt: DurationMs): Decision;
  /** Of one that came from the cache: added up, and told by `flush`. */
  hit(decision: Decision): Decision;
  /** To be called every second or so. */
  flush(): void;
}

export function createDecisionMetrics({ telemetry, clock }: GuardSettings, seen: VerifiedTokenCache): DecisionMetrics {
  let accepted = 0;
  let stale = 0;
  let before = seen.counts();

  function tell(result: string, times: number): void {
    if (times > 0) telemetry.count('rescind_decisions_total', { result }, times);
  }

  function more(what: 'hits' | 'evicted' | 'judged_again', times: number): void {
    if (times > 0) telemetry.count(`rescind_token_cache_${what}_total`, {}, times);
  }

  return {
    given(decision, startedAt) {
      telemetry.count('rescind_decisions_total', { result: resultOf(decision) });
      telemetry.observe('rescind_decision_seconds', (clock.monotonic() - startedAt) / 1000);
      return decision;
    },
    hit(decision) {
      if (!decision.accepted) telemetry.count('rescind_decisions_total', { result: resultOf(decision) });
      else if (decision.stale) stale += 1;
      else accepted += 1;
      return decision;
    },
    flush() {
      const counts = seen.counts();
      tell('accepted', accepted);
      tell('accepted_stale', stale);
      more('hits', accepted + stale);
      more('evicted', counts.evicted - before.evicted);
      more('judged_again', counts.judgedAgain - before.judgedAgain);
      telemetry.gauge('rescind_token_cache_entries', counts.entries);
      telemetry.gauge('rescind_token_cache_bytes', counts.bytes);
      accepted = 0;
      stale = 0;
      before = counts;
    },
  };
}

/** The label of a decision: what was refused by its code. */
function resultOf(decision: Decision): string {
  if (!decision.accepted) return decision.error.code;
  if (decision.introspected) return 'accepted_introspected';
  return decision.stale ? 'accepted_stale' : 'accepted';
}
