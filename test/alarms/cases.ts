/** What makes an alarm fire: series, their values every 15 s in promtool's notation, and the labels of the alarm. */
export interface AlarmCase {
  readonly series: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** When the alarm fires, in promtool's notation. */
  readonly firesAt: string;
}

const instance = 'a:9464';
const labels = { instance };

/** A gauge that has the value for a day and more. */
const constant = (value: number) => `${value}x6000`;
/** A counter that is 0 when the process starts, and 1 from 2 min on: the first event. */
const FIRST_EVENT = '0x7 1x6000';

const gauge = (name: string, value: number, firesAt: string, more: Readonly<Record<string, string>> = {}) =>
  single(name, constant(value), firesAt, more);

/** The first event fires an alarm about an increase. */
const counter = (name: string, more: Readonly<Record<string, string>> = {}) => single(name, FIRST_EVENT, '3m', more);

function single(name: string, values: string, firesAt: string, more: Readonly<Record<string, string>>): AlarmCase {
  const own = { ...labels, ...more };
  return { series: { [series(name, own)]: values }, labels: own, firesAt };
}

export function series(name: string, own: Readonly<Record<string, string>>): string {
  return `${name}{${Object.entries(own)
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`;
}

const version = (of: string, value: string) =>
  series('rescind_build_info', { instance: of, service: 'user-management', version: value });

/** One for each alarm. */
export const CASES: Readonly<Record<string, AlarmCase>> = {
  InstanceStale: gauge('rescind_view_age_seconds', 11, '3m'),
  FleetStale: {
    series: {
      [series('rescind_view_age_seconds', { instance: 'a' })]: '11x100',
      // A process that does not know the age of its view exposes infinity.
      [series('rescind_view_age_seconds', { instance: 'b' })]: 'Inf '.repeat(100).trim(),
      [series('rescind_view_age_seconds', { instance: 'c' })]: '1x100',
    },
    labels: {},
    firesAt: '1m',
  },
  StaleRefusals: {
    series: { [series('rescind_decisions_total', { instance, result: 'view_stale' })]: '0+1x100' },
    labels: {},
    firesAt: '5m',
  },
  ViewSuspect: gauge('rescind_view_suspect', 1, '2m', { reason: 'gap' }),
  ForkFound: counter('rescind_feed_forks_total'),
  EventQuarantined: counter('rescind_events_applied_total', { result: 'quarantined' }),
  TransportDisconnected: gauge('rescind_transport_connected', 0, '6m', { transport: 'http' }),
  NoHeartbeats: single('rescind_heartbeats_total', constant(7), '3m', { result: 'applied' }),
  CommitsFail: gauge('rescind_feed_pending_rows', 3, '2m'),
  DenylistDamaged: counter('rescind_denylist_replaced_total'),
  DenylistFault: gauge('rescind_health_check', 1, '1m', { name: 'denylist', status: 'fail' }),
  ClockSkew: single('rescind_clock_skew_seconds_count', '0x7 1+1x6000', '15m', {}),
  CircuitOpen: gauge('rescind_introspection_circuit', 1, '2m', { check: 'introspection', state: 'open' }),
  IssuerAbsent: {
    series: { [series('rescind_build_info', { instance, service: 'prices', version: '1' })]: constant(1) },
    labels: { service: 'user-management' },
    firesAt: '2m',
  },
  WritesRefused: gauge('rescind_writes_refused', 1, '1m', { reason: 'storage_unavailable' }),
  StorageFails: counter('rescind_storage_failures_total', { file: 'database', reason: 'full' }),
  KafkaSlow: gauge('rescind_standby_delivering', 1, '6m'),
  RelayStuck: gauge('rescind_relay_lag_events', 1, '3m'),
  KeyOverdue: {
    series: {
      [series('rescind_key_age_seconds', { ...labels, purpose: 'token' })]: constant(130),
      [series('rescind_key_interval_seconds', { ...labels, purpose: 'token' })]: constant(100),
    },
    labels: { ...labels, purpose: 'token' },
    firesAt: '61m',
  },
  ReuseSpike: single('rescind_refresh_reuse_total', '0x7 20x6000', '3m', {}),
  AuditDropped: counter('rescind_audit_dropped_total', { reason: 'too_many' }),
  ReadersCut: counter('rescind_feed_readers_ended_total', { reason: 'buffer_full' }),
  ConfigurationRefused: gauge('rescind_configuration_files_refused', 1, '1m'),
  RevocationIncomplete: gauge('rescind_receipt_pending_seconds', 31, '2m'),
  InstanceLost: {
    series: {
      [series('rescind_fleet_instances', { instance: 'a:9464', service: 'prices', state: 'lost' })]: constant(1),
    },
    labels: { service: 'prices' },
    firesAt: '11m',
  },
  NotReady: gauge('rescind_ready', 0, '6m'),
  // A stalled roll-out has two versions.
  VersionSkew: {
    series: { [version('a', '1')]: constant(1), [version('b', '2')]: constant(1) },
    labels: { service: 'user-management' },
    firesAt: '24h1m',
  },
  MetricFault: counter('rescind_metric_errors_total'),
  SlowCrossing: {
    series: {
      [series('rescind_propagation_seconds_bucket', { le: '1' })]: '0+1x600',
      rescind_propagation_seconds_count: '0+2x600',
    },
    labels: {},
    firesAt: '10m',
  },
  FallbackRead: { ...counter('rescind_feed_fallback_total', { reason: 'silence' }), labels: {} },
  EntriesSkipped: counter('rescind_feed_entries_skipped_total'),
  EventKeyStolen: counter('rescind_event_keys_stolen_total'),
  ClockParted: gauge('rescind_clock_parted_seconds', -2, '2m'),
  HousekeepingFails: counter('rescind_housekeeping_failures_total'),
  NoticesAbandoned: counter('rescind_notices_total', { result: 'dead' }),
  // 29 % are free, and in 12 hours nothing will be.
  DiskFull: {
    series: {
      [series('rescind_disk_free_bytes', { ...labels, volume: 'database' })]: '29-0.01x2000',
      [series('rescind_disk_size_bytes', { ...labels, volume: 'database' })]: constant(100),
    },
    labels: { ...labels, volume: 'database' },
    firesAt: '45m',
  },
  // The time begins at 0: the last backup was 27 hours before.
  BackupOld: gauge('rescind_backup_last_success_timestamp_seconds', -97_200, '1m'),
  EventsNotExpiring: {
    series: {
      // The time begins at 0: the oldest event is two days old.
      [series('rescind_user_events_oldest_timestamp_seconds', labels)]: constant(-172_800),
      [series('rescind_user_events_retention_seconds', labels)]: constant(3_600),
    },
    labels,
    firesAt: '61m',
  },
  FleetCountDiffers: {
    series: {
      [series('rescind_fleet_instances', { instance, service: 'prices', state: 'live' })]: constant(1),
      [series('rescind_build_info', { instance: 'b', service: 'prices', version: '1' })]: constant(1),
      [series('rescind_build_info', { instance: 'c', service: 'prices', version: '1' })]: constant(1),
    },
    labels: { service: 'prices' },
    firesAt: '11m',
  },
  Watchdog: { series: {}, labels: {}, firesAt: '1m' },
};
