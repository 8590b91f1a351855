import { DECISION_REFUSALS } from '../errors.ts';
import type { MetricCatalogue } from './entry.ts';
import { LATENCY_SECONDS } from './entry.ts';
import { FOLLOWER_METRICS } from './follower.ts';

/** A decision is memory only: from 10 µs; what takes 100 ms is an event loop that stood still. */
const DECISION_SECONDS = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1] as const;

/** Metrics of a guarded service. */
export const GUARD_METRICS = {
  ...FOLLOWER_METRICS,
  // Keys and metadata of issuers.
  rescind_signature_thread_failures_total: {
    type: 'counter',
    unit: 'times',
    help: 'Times signatures of a catch-up were verified on the main thread because there was no other',
  },
  rescind_key_fetches_total: {
    type: 'counter',
    unit: 'fetches',
    help: 'Fetches of a key set',
    labels: { result: ['ok', 'unreachable', 'timeout', 'status_wrong', 'too_large', 'unusable'] },
  },
  rescind_key_documents_total: {
    type: 'counter',
    unit: 'operations',
    help: 'Reads and writes of the stored key sets',
    labels: { result: ['written', 'not_written', 'unusable'] },
  },
  rescind_metadata_failures_total: {
    type: 'counter',
    unit: 'fetches',
    help: 'Fetches of the issuer’s metadata that failed',
    labels: { result: ['unusable', 'unreachable'] },
  },
  // Decisions.
  rescind_decisions_total: {
    type: 'counter',
    unit: 'decisions',
    help: 'Decisions of the guard, by `accepted…` or the code of the refusal',
    labels: {
      result: ['accepted', 'accepted_stale', 'accepted_introspected', ...DECISION_REFUSALS],
    },
  },
  rescind_decision_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'How long a decision took about a token that was not in the cache',
    buckets: DECISION_SECONDS,
  },
  rescind_token_cache_entries: { type: 'gauge', unit: 'tokens', help: 'Verified tokens in the cache', initial: 0 },
  rescind_token_cache_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of the cache of verified tokens, estimated',
    initial: 0,
  },
  rescind_token_cache_hits_total: {
    type: 'counter',
    unit: 'decisions',
    help: 'Decisions about a token in the cache: accepted without a signature',
  },
  rescind_token_cache_evicted_total: {
    type: 'counter',
    unit: 'tokens',
    help: 'Verified tokens removed from the cache because it was full',
  },
  rescind_token_cache_judged_again_total: {
    type: 'counter',
    unit: 'judgements',
    help: 'Judgements of a cached token because a revocation arrived that may concern it',
  },
  rescind_introspections_total: {
    type: 'counter',
    unit: 'requests',
    help: 'Introspection requests to the issuer',
    labels: {
      result: [
        'active',
        'inactive',
        'bound',
        'unreachable',
        'timeout',
        'refused',
        'status_wrong',
        'unusable',
        'busy',
        'open',
        'stopping',
      ],
    },
  },
  rescind_introspection_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'How long the issuer took to respond',
    buckets: LATENCY_SECONDS,
  },
  rescind_introspection_circuit: {
    type: 'gauge',
    unit: 'flag',
    help: 'The state of the circuit breaker of introspection: 1 for the present state',
    labels: { check: 'open', state: ['closed', 'open', 'half-open'] },
  },
  // The denylist.
  rescind_denylist_entries: {
    type: 'gauge',
    unit: 'rows',
    help: 'Rows of the denylist',
    // Every further claim an administrator names counts as `other`.
    labels: { claim: ['sub', 'sid', 'jti', 'client_id', 'kid', 'iss', 'other'] },
    initial: 0,
  },
  rescind_denylist_in_memory: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether memory serves the look-ups of the denylist (1), or its file (0)',
    initial: 0,
  },
  rescind_denylist_wal_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Size of the write-ahead log of the denylist file; more than 32 MB: a reader of another process holds it',
    initial: 0,
  },
  rescind_denylist_pruned_total: { type: 'counter', unit: 'rows', help: 'Rows of the denylist that were removed' },
  rescind_denylist_file_faults_total: {
    type: 'counter',
    unit: 'faults',
    help: 'Times the file of a running denylist was found removed, replaced, truncated or damaged',
    labels: { fault: ['removed', 'replaced', 'truncated', 'damaged'] },
  },
  rescind_denylist_replaced_total: {
    type: 'counter',
    unit: 'files',
    help: 'Denylist files that could not be used and were replaced',
  },
  rescind_sockets_ended_total: {
    type: 'counter',
    unit: 'sockets',
    help: 'Live sockets ended',
    labels: {
      reason: [
        ...['session_ended', 'not_allowed', 'request_invalid', 'token_expired', 'step_up', 'view_stale', 'unavailable'],
        ...['message_too_large', 'rate_limited', 'too_slow'],
      ],
    },
  },
  rescind_live_tokens: { type: 'gauge', unit: 'tokens', help: 'Tokens of live connections', initial: 0 },
  rescind_live_connections: {
    type: 'gauge',
    unit: 'connections',
    help: 'Live connections that end with their tokens: sockets, streams, long polls',
    initial: 0,
  },
} as const satisfies MetricCatalogue;
