import type { MetricCatalogue } from './entry.ts';
import { KAFKA_FAILURES, LATENCY_SECONDS } from './entry.ts';

/** From a slow network to a clock that is wrong by a time zone. */
const SKEW_SECONDS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 86_400] as const;

/** Metrics of a reader of the revocation log. */
export const FOLLOWER_METRICS = {
  // The view of the revocation log.
  rescind_view_ready: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether the instance has caught up with the log since it started',
    initial: 0,
  },
  rescind_view_age_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How old what this instance knows of the revocation log is; +Inf when unknown',
    initial: Number.POSITIVE_INFINITY,
  },
  rescind_view_suspect: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether the view may be incomplete, by reason',
    labels: { reason: ['gap', 'fork', 'epoch', 'quarantined', 'keys', 'clock'] },
    initial: 0,
  },
  rescind_reports_sent_total: {
    type: 'counter',
    unit: 'reports',
    help: 'Reports of this instance to the issuer; `refused`: by credential, form or rate; `unsupported`: by an issuer that takes none',
    labels: { result: ['accepted', 'refused', 'failed', 'unsupported'] },
  },
  rescind_feed_position_seq: { type: 'gauge', unit: 'seq', help: 'The seq up to which the log is applied', initial: 0 },
  rescind_feed_head_seq: { type: 'gauge', unit: 'seq', help: 'The greatest seq the log is known to have', initial: 0 },
  rescind_feed_lag_events: {
    type: 'gauge',
    unit: 'events',
    help: 'Events the log is known to have and that are not applied here',
    initial: 0,
  },
  rescind_events_applied_total: {
    type: 'counter',
    unit: 'events',
    help: 'Events read, by result',
    labels: {
      result: [
        'applied',
        'duplicate',
        'beyond_gap',
        'old_epoch',
        'other_epoch',
        'quarantined',
        'bad_key_revoked',
        'bad_too_large',
        'bad_malformed',
        'bad_key_unknown',
        'bad_signature',
        'bad_claims',
        'bad_no_position',
      ],
    },
  },
  rescind_heartbeats_total: {
    type: 'counter',
    unit: 'heartbeats',
    help: 'Heartbeats read, by result',
    labels: { result: ['applied', 'late', 'old_epoch', 'other_epoch', 'ahead'] },
  },
  rescind_propagation_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'From the commit of a revocation at the issuer to its denial here, by two wall clocks; see rescind_clock_skew_seconds',
    buckets: LATENCY_SECONDS,
  },
  rescind_clock_skew_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'How far the commit time of a revocation was ahead of this clock: not in rescind_propagation_seconds',
    buckets: SKEW_SECONDS,
  },
  rescind_feed_gaps_total: { type: 'counter', unit: 'gaps', help: 'Gaps in the sequence of events that were found' },
  rescind_feed_forks_total: { type: 'counter', unit: 'forks', help: 'Times two logs of one name were found' },
  rescind_feed_epochs_total: { type: 'counter', unit: 'epochs', help: 'Times the log began a new epoch' },
  rescind_feed_epochs_left_total: {
    type: 'counter',
    unit: 'epochs',
    help: 'Epochs left because their key was revoked, or is published no more',
    labels: { reason: ['key_revoked', 'key_withdrawn'] },
  },
  rescind_feed_epochs_unnamed_total: {
    type: 'counter',
    unit: 'epochs',
    help: 'Newer epochs that records announced and that the issuer does not name',
  },
  rescind_event_keys_revoked_total: {
    type: 'counter',
    unit: 'keys',
    help: 'Event keys that were found to be revoked',
  },
  rescind_feed_entries_skipped_total: {
    type: 'counter',
    unit: 'entries',
    help: 'Entries of events about issuers this instance does not trust',
  },
  rescind_feed_entries_clamped_total: {
    type: 'counter',
    unit: 'entries',
    help: 'Entries of events whose times were limited to what is possible',
  },
  // Transports.
  rescind_transport_connected: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether a transport of the log works: it is read, or its standby stream is open',
    labels: { transport: 'transport' },
  },
  rescind_feed_fallback_total: {
    type: 'counter',
    unit: 'times',
    help: 'Times the log was read by the fallback transport',
    labels: { reason: ['silence', 'behind', 'gap', 'fork', 'epoch', 'quarantined'] },
  },
  rescind_feed_restarts_total: {
    type: 'counter',
    unit: 'restarts',
    help: 'Times a transport was restarted',
    labels: { transport: 'transport', reason: ['stalled', 'gap', 'fork', 'epoch', 'quarantined', 'keys'] },
  },
  rescind_feed_connections_lost_total: {
    type: 'counter',
    unit: 'connections',
    help: 'Connections of a transport that were lost or could not be made',
    labels: {
      transport: ['http'],
      reason: [
        'unreachable',
        'unauthorized',
        'forbidden',
        'not_found',
        'too_many_connections',
        'unavailable',
        'redirect_refused',
        'status_wrong',
        'content_type_wrong',
        'empty',
        'ended',
        'stalled',
        'oversized',
      ],
    },
  },
  rescind_feed_pages_total: {
    type: 'counter',
    unit: 'pages',
    help: 'Signed pages of a catch-up by HTTP; each event of an invalid one is verified by its own signature',
    labels: { result: ['valid', 'invalid'] },
  },
  rescind_feed_ignored_total: {
    type: 'counter',
    unit: 'messages',
    help: 'Messages of a transport that are neither event nor heartbeat',
    labels: { transport: ['http'] },
  },
  rescind_feed_evidence_total: {
    type: 'counter',
    unit: 'submissions',
    help: 'Submissions of restore evidence to the issuer: signed events that prove its database is older than its log',
    labels: { result: ['accepted', 'failed'] },
  },
  rescind_feed_pending_rows: {
    type: 'gauge',
    unit: 'rows',
    help: 'Rows enforced from memory that the denylist file does not have yet',
    labels: {},
  },
  rescind_feed_errors_total: {
    type: 'counter',
    unit: 'steps',
    help: 'Steps of the follower that failed and were tried again',
    labels: {
      step: [
        'commit',
        'step',
        'open',
        'close',
        'restart',
        'fetch_keys',
        'submit_evidence',
        'ready',
        'count',
        'observe',
        'log',
      ],
    },
  },
  rescind_kafka_connected: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether the topic is being read',
  },
  rescind_kafka_rebuilds_total: {
    type: 'counter',
    unit: 'rebuilds',
    help: 'Times a Kafka reader was replaced by a new one',
    labels: {
      reason: [
        ...KAFKA_FAILURES,
        'restart',
        'partitions_wrong',
        'assignment_wrong',
        'topic_recreated',
        'offset_reset',
        'crashed',
        'stopped',
        'stalled',
        'opening_timeout',
        'sink_failed',
      ],
    },
  },
  rescind_kafka_hints_discarded_total: {
    type: 'counter',
    unit: 'hints',
    help: 'Stored offsets that the topic did not have',
    labels: { reason: ['beyond_end', 'unreadable'] },
  },
} as const satisfies MetricCatalogue;
