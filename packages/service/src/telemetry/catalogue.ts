/** What is said of a metric to whoever reads /metrics. */
export interface MetricEntry {
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds, in the metric's unit: this is a histogram. */
  readonly buckets?: readonly number[];
}

/** From a good local network to the patience of a person: 1 ms to 10 s. */
const PROPAGATION_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A decision is memory only: from 10 µs; what takes 100 ms is an event loop that stood still. */
const DECISION_SECONDS = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1];

/** The metrics by name; docs and dashboards rely on them. No label names a user. */
export const METRICS: Readonly<Record<string, MetricEntry>> = {
  // The issuer: what happened to people and their tokens.
  rescind_logins_total: { help: 'Logins tried', labels: ['result'] },
  rescind_refresh_total: { help: 'Uses of refresh tokens', labels: ['result'] },
  rescind_renewals_total: { help: 'Access tokens that were shown to buy another', labels: ['result'] },
  rescind_refresh_reuse_total: { help: 'Sessions ended because a token that had been exchanged came again' },
  rescind_notices_total: { help: 'Notices to owners of accounts, by how an attempt ended', labels: ['result'] },
  rescind_notices_waiting: { help: 'Notices to owners of accounts that have not arrived yet' },
  rescind_rate_limited_total: { help: 'Requests refused because there were too many', labels: ['what'] },
  rescind_audit_dropped_total: {
    help: 'Refused acts of administrators that the audit did not take',
    labels: ['why'],
  },
  rescind_key_rotations_total: { help: 'Times another key began to sign', labels: ['purpose', 'cause'] },
  rescind_key_age_seconds: { help: 'For how long the key that signs has been signing', labels: ['purpose'] },
  // The issuer: its log on the way out.
  rescind_events_published_total: { help: 'Events acknowledged by Kafka', labels: ['type'] },
  rescind_publish_failures_total: { help: 'Times the relay could not publish, and tried again' },
  rescind_relay_lag_events: { help: 'Events in the outbox that Kafka has not acknowledged yet' },
  rescind_feed_readers: { help: 'Readers connected to the HTTP way' },
  rescind_feed_readers_ended_total: { help: 'Readers of the HTTP way disconnected', labels: ['reason'] },
  rescind_feed_refused_total: { help: 'Requests to the HTTP way that were refused', labels: ['code'] },
  rescind_feed_heartbeat_errors_total: { help: 'Heartbeats of the HTTP way that could not be made' },
  rescind_high_water_failures_total: { help: 'Times the high-water file beside the keys could not be written' },
  rescind_housekeeping_failures_total: { help: 'Times old rows of the outbox could not be removed' },
  // Kafka.
  rescind_kafka_connected: { help: 'Whether the topic is being read (1) or not (0)' },
  rescind_kafka_rebuilds_total: { help: 'Times a Kafka reader was thrown away and built anew', labels: ['reason'] },
  rescind_kafka_hints_discarded_total: { help: 'Kept offsets that the topic did not have', labels: ['reason'] },
  rescind_kafka_records_published_total: { help: 'Records acknowledged by Kafka, heartbeats included' },
  rescind_kafka_publish_seconds: { help: 'From sending to acknowledgement', buckets: PROPAGATION_SECONDS },
  rescind_kafka_publish_failures_total: { help: 'Sends to Kafka that failed', labels: ['reason'] },
  // A guarded service: its log on the way in.
  rescind_events_applied_total: { help: 'Events read, by what became of them', labels: ['result'] },
  rescind_heartbeats_total: { help: 'Heartbeats read, by what became of them', labels: ['result'] },
  rescind_propagation_seconds: {
    help: 'From the commit of a revocation at the issuer to its denial here',
    buckets: PROPAGATION_SECONDS,
  },
  rescind_feed_lag_events: { help: 'Events the log is known to have and that are not applied here' },
  rescind_view_age_seconds: { help: 'How old what this instance knows of the revocation log is' },
  rescind_feed_gaps_total: { help: 'Gaps in the sequence of events that were found' },
  rescind_feed_second_way_total: { help: 'Times the second way was taken', labels: ['reason'] },
  rescind_feed_restarts_total: { help: 'Times a way was told to start again', labels: ['way', 'reason'] },
  rescind_feed_connections_lost_total: { help: 'Connections of a way that were lost', labels: ['way', 'reason'] },
  rescind_feed_ignored_total: { help: 'Messages of a way that are neither event nor heartbeat', labels: ['way'] },
  rescind_feed_proofs_total: { help: 'Proofs of a restored issuer handed to it', labels: ['result'] },
  rescind_feed_errors_total: { help: 'Steps of the follower that failed and were tried again', labels: ['what'] },
  rescind_signature_thread_failures_total: {
    help: 'Times signatures of a catch-up were checked on the main thread because there was no other',
  },
  rescind_key_fetches_total: { help: 'Fetches of a key set', labels: ['result'] },
  rescind_key_documents_total: { help: 'Reads and writes of the kept key sets', labels: ['result'] },
  rescind_metadata_failures_total: { help: 'Fetches of the issuer’s metadata that failed', labels: ['result'] },
  // A guarded service: deciding.
  rescind_decisions_total: { help: 'Decisions of the guard', labels: ['result'] },
  rescind_decision_seconds: {
    help: 'How long a decision took about a token that was not in the cache',
    buckets: DECISION_SECONDS,
  },
  rescind_token_cache_entries: { help: 'Verified tokens in the cache' },
  rescind_token_cache_bytes: { help: 'What the cache of verified tokens takes, estimated' },
  rescind_token_cache_hits_total: { help: 'Decisions about a token in the cache: accepted without a signature' },
  rescind_token_cache_evicted_total: { help: 'Verified tokens that had to make room for others' },
  rescind_token_cache_judged_again_total: {
    help: 'Judgements of a token in the cache because a revocation had come that could concern it',
  },
  rescind_introspections_total: { help: 'Questions to the issuer about a token', labels: ['result'] },
  rescind_introspection_seconds: { help: 'How long the issuer took to answer', buckets: PROPAGATION_SECONDS },
  rescind_denylist_entries: { help: 'Rows of the denylist', labels: ['claim'] },
  rescind_denylist_in_memory: { help: 'Whether memory answers the look-ups of the denylist: 1, or 0 for its file' },
  rescind_denylist_pruned_total: { help: 'Rows of the denylist that were forgotten' },
  rescind_denylist_set_aside_total: { help: 'Denylist files that could not be used and were replaced' },
  rescind_sockets_ended_total: { help: 'Live sockets ended', labels: ['reason'] },
  // Every service.
  rescind_http_requests_total: { help: 'Requests answered', labels: ['method', 'status'] },
  rescind_http_request_seconds: {
    help: 'How long requests took to be answered; streams are not counted',
    labels: ['method'],
    buckets: PROPAGATION_SECONDS,
  },
};
