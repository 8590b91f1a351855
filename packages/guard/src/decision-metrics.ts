import type { DurationMs } from '@rescind/revocation';
import type { VerifiedTokenCache } from './cache/verified-token-cache.ts';
import type { Decision } from './decision.ts';
import type { GuardSettings } from './options.ts';

/** Counts decisions, and measures their duration. */
export interface DecisionMetrics {
  /** Counts a decision that began at `startedAt` (monotonic ms). */
  count(decision: Decision, startedAt: DurationMs): Decision;
  /** Counts a decision about a cached token. `flush` reports it. */
  countHit(decision: Decision): Decision;
  /** Reports the counts. The guard calls it every second. */
  flush(): void;
}

export function createDecisionMetrics({ telemetry, clock }: GuardSettings, cache: VerifiedTokenCache): DecisionMetrics {
  let accepted = 0;
  let stale = 0;
  let before = cache.counts();

  function report(result: string, times: number): void {
    if (times > 0) telemetry.count('rescind_decisions_total', { result }, times);
  }

  function reportCache(what: 'hits' | 'evicted' | 'judged_again', times: number): void {
    if (times > 0) telemetry.count(`rescind_token_cache_${what}_total`, {}, times);
  }

  return {
    count(decision, startedAt) {
      telemetry.count('rescind_decisions_total', { result: resultOf(decision) });
      telemetry.observe('rescind_decision_seconds', (clock.monotonic() - startedAt) / 1000);
      return decision;
    },
    countHit(decision) {
      if (!decision.accepted) telemetry.count('rescind_decisions_total', { result: resultOf(decision) });
      else if (decision.stale) stale += 1;
      else accepted += 1;
      return decision;
    },
    flush() {
      const counts = cache.counts();
      report('accepted', accepted);
      report('accepted_stale', stale);
      reportCache('hits', accepted + stale);
      reportCache('evicted', counts.evicted - before.evicted);
      reportCache('judged_again', counts.judgedAgain - before.judgedAgain);
      telemetry.gauge('rescind_token_cache_entries', counts.entries);
      telemetry.gauge('rescind_token_cache_bytes', counts.bytes);
      accepted = 0;
      stale = 0;
      before = counts;
    },
  };
}

/** The label of a decision: its code, if it is a refusal. */
function resultOf(decision: Decision): string {
  if (!decision.accepted) return decision.error.code;
  if (decision.introspected) return 'accepted_introspected';
  return decision.stale ? 'accepted_stale' : 'accepted';
}
