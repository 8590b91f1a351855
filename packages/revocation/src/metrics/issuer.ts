import type { MetricCatalogue } from './entry.ts';
import { KAFKA_FAILURES, LATENCY_SECONDS } from './entry.ts';

/** Metrics of an issuer, and of the service that is one. */
export const ISSUER_METRICS = {
  // Users and their tokens.
  rescind_logins_total: {
    type: 'counter',
    unit: 'logins',
    help: 'Logins tried, by `success` or the code of the refusal',
    labels: {
      result: [
        'success',
        'credentials_wrong',
        'second_factor_required',
        'second_factor_wrong',
        'subject_inactive',
        'client_invalid',
        'scope_invalid',
        'request_invalid',
        'rate_limited',
        'clock_parted',
        'clock_ahead',
        'database_restored',
        'storage_unavailable',
        'busy',
        'stopping',
        'internal',
      ],
    },
  },
  rescind_refresh_total: {
    type: 'counter',
    unit: 'refreshes',
    help: 'Uses of refresh tokens',
    labels: { result: ['rotated', 'kept', 'repeated', 'reused'] },
  },
  rescind_renewals_total: {
    type: 'counter',
    unit: 'renewals',
    help: 'Uses of access tokens to get another',
    labels: { result: ['renewed', 'repeated', 'early', 'reused'] },
  },
  rescind_refresh_reuse_total: {
    type: 'counter',
    unit: 'sessions',
    help: 'Sessions ended because a token that had been exchanged was presented again',
  },
  rescind_database_wal_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Size of the write-ahead log of the database; more than 64 MB: a reader of another process holds it',
    initial: 0,
  },
  rescind_notices_total: {
    type: 'counter',
    unit: 'attempts',
    help: 'Attempts to deliver notices to owners of accounts',
    labels: { result: ['arrived', 'failed', 'dead'] },
  },
  rescind_notices_waiting: {
    type: 'gauge',
    unit: 'notices',
    help: 'Notices to owners of accounts that have not arrived yet',
    initial: 0,
  },
  rescind_rate_limited_total: {
    type: 'counter',
    unit: 'requests',
    help: 'Requests refused because there were too many',
    labels: { what: ['account', 'address', 'administrator', 'client'] },
  },
  rescind_audit_dropped_total: {
    type: 'counter',
    unit: 'entries',
    help: 'Refused requests of administrators that the audit did not record',
    labels: { why: ['too_many', 'storage_unavailable', 'database_restored', 'busy', 'stopping', 'internal'] },
  },
  rescind_key_rotations_total: {
    type: 'counter',
    unit: 'rotations',
    help: 'Times another key began to sign',
    labels: {
      purpose: ['token', 'event'],
      cause: ['schedule', 'command', 'choice', 'algorithm', 'revocation', 'restore'],
    },
  },
  rescind_key_age_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How long the key that signs has been signing',
    labels: { purpose: ['token', 'event'] },
  },
  rescind_key_interval_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'The configured interval between rotations; +Inf when there are none',
    labels: { purpose: ['token', 'event'] },
  },
  // Storage and clock.
  rescind_writes_refused: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether the issuer refuses writes, by why',
    labels: { why: ['database_restored', 'storage_unavailable', 'clock_parted'] },
    initial: 0,
  },
  rescind_storage_failures_total: {
    type: 'counter',
    unit: 'writes',
    help: 'Writes of the issuer that failed, by what was written and why',
    labels: {
      what: ['database', 'high_water', 'key'],
      why: ['full', 'read_only', 'io_error', 'damaged', 'other'],
    },
  },
  rescind_clock_parted_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How far the wall clock of the issuer has moved against its monotonic clock',
    initial: 0,
  },
  rescind_clock_publisher_apart_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How far the wall clock of the issuer is ahead of the clock of Kafka since its start; negative: behind; 0: by less than 60 s',
    initial: 0,
  },
  rescind_high_water_failures_total: {
    type: 'counter',
    unit: 'writes',
    help: 'Times the high-water file beside the keys could not be written',
  },
  rescind_housekeeping_failures_total: {
    type: 'counter',
    unit: 'runs',
    help: 'Times clean-up or key rotation failed',
  },
  // The log.
  rescind_log_head_seq: { type: 'gauge', unit: 'seq', help: 'The greatest seq of the log', initial: 0 },
  rescind_log_low_watermark_seq: {
    type: 'gauge',
    unit: 'seq',
    help: 'The least seq of the log that still denies something',
    initial: 0,
  },
  rescind_events_published_total: {
    type: 'counter',
    unit: 'events',
    help: 'Events acknowledged by Kafka, heartbeats included',
    labels: {
      type: [
        'heartbeat',
        'session-revoked',
        'token-revoked',
        'key-revoked',
        'event-key-revoked',
        'issuer-revoked',
        'claim-revoked',
        'credential-change',
        'account-disabled',
        'account-purged',
        'token-claims-change',
      ],
    },
  },
  rescind_publish_failures_total: {
    type: 'counter',
    unit: 'attempts',
    help: 'Times the relay could not publish, and tried again',
  },
  rescind_relay_acknowledgement_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How long Kafka usually takes to acknowledge: the median of the last 64 publications',
    initial: 0,
  },
  rescind_standby_delivering: {
    type: 'gauge',
    unit: 'flag',
    help: 'Whether the standby streams deliver events because Kafka has not acknowledged them in time',
    initial: 0,
  },
  rescind_standby_deliveries_total: {
    type: 'counter',
    unit: 'times',
    help: 'Times the standby streams began to deliver events',
  },
  rescind_standby_streams: {
    type: 'gauge',
    unit: 'connections',
    help: 'Standby streams of `/revocations?quiet`',
    initial: 0,
  },
  rescind_relay_lag_events: {
    type: 'gauge',
    unit: 'events',
    help: 'Events in the outbox that Kafka has not acknowledged yet',
    initial: 0,
  },
  rescind_kafka_records_published_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records acknowledged by Kafka, heartbeats included',
  },
  rescind_kafka_publish_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'From sending to acknowledgement',
    buckets: LATENCY_SECONDS,
  },
  rescind_kafka_publish_failures_total: {
    type: 'counter',
    unit: 'attempts',
    help: 'Sends to Kafka that failed',
    labels: { reason: [...KAFKA_FAILURES, 'topic_unsuitable'] },
  },
  // The event stream.
  rescind_feed_readers: { type: 'gauge', unit: 'readers', help: 'Readers connected to the event stream', initial: 0 },
  rescind_feed_readers_ended_total: {
    type: 'counter',
    unit: 'readers',
    help: 'Readers of the event stream disconnected',
    labels: { reason: ['left', 'closed', 'epoch_changed', 'failed', 'stuck', 'buffer_full', 'client_removed'] },
  },
  rescind_feed_buffered_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes buffered for all readers of the event stream together',
    initial: 0,
  },
  rescind_event_keys_stolen_total: {
    type: 'counter',
    unit: 'keys',
    help: 'Times the issuer found that somebody else signs with its event key',
  },
  rescind_feed_refused_total: {
    type: 'counter',
    unit: 'requests',
    help: 'Requests to the event stream that were refused',
    labels: {
      code: [
        'client_invalid',
        'rate_limited',
        'not_found',
        'method_wrong',
        'body_too_large',
        'media_type_wrong',
        'event_invalid',
        'storage_unavailable',
        'stopping',
        'internal',
      ],
    },
  },
  rescind_feed_heartbeat_errors_total: {
    type: 'counter',
    unit: 'heartbeats',
    help: 'Heartbeats of the event stream that could not be made',
  },
} as const satisfies MetricCatalogue;
