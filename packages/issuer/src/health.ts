import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { IssuerClock, ReferenceClock } from '@rescind/revocation/issuer-clock';
import { isLeading } from '@rescind/revocation/issuer-clock';
import type { OpenInstances } from './instances/open.ts';
import type { KeyPurpose, KeyRotation } from './issuer-keys.ts';
import type { Keyring } from './keys/keyring.ts';
import type { KeyScheduler } from './keys/scheduler.ts';
import type { Maintenance } from './log/maintenance.ts';
import { clockTimes } from './relay/comparison.ts';
import type { Relay } from './relay/open.ts';
import type { ReadOnlyLatch, Storage } from './storage.ts';

import type { Store } from './store/store.ts';

/** An issuer that starts after a rotation was due publishes the next key for the full time before that key signs. */
const LATE_MS: DurationMs = 3_600_000;

interface HealthOptions {
  readonly store: Store;
  readonly latch: ReadOnlyLatch;
  readonly storage: Storage;
  readonly issuerClock: IssuerClock;
  readonly clock: Clock;
  /** The clock of the publisher; undefined: there is none. */
  readonly reference: ReferenceClock | undefined;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly scheduler: KeyScheduler;
  readonly maintenance: Maintenance;
  readonly relay: Relay | undefined;
  readonly instances: Pick<OpenInstances, 'health'>;
  /** The kid of an event key that another process signed with, until the next start. */
  readonly theft: { readonly kid: string | null };
}

export function createHealth(options: HealthOptions): () => HealthCheck[] {
  const { relay } = options;
  return () => [
    checkDatabase(options),
    checkWrites(options),
    checkStorage(options),
    checkKeys(options),
    checkClock(options),
    ...options.instances.health(),
    ...(relay === undefined ? [] : [relay.health()]),
  ];
}

/** `walBytes`: a reader of another process keeps the write-ahead log from being truncated. */
function checkDatabase({ store, maintenance }: HealthOptions): HealthCheck {
  try {
    const { epoch, head, floor } = store.log.identity() ?? {};
    const lastError = maintenance.lastError();
    const excess = store.overLimit();
    const status = lastError === null && excess === undefined ? 'pass' : 'warn';
    return { name: 'database', status, epoch, head, lowWatermark: floor, lastError, ...excess };
  } catch (error) {
    return { name: 'database', status: 'fail', lastError: error instanceof Error ? error.message : String(error) };
  }
}

/** Keys, metadata and the log are served all the same. */
function checkWrites({ latch }: HealthOptions): HealthCheck {
  const refusing = latch.refusing();
  return { name: 'writes', status: refusing === null ? 'pass' : 'warn', refusing };
}

/** Follows the last real write: a login, a revocation, clean-up. `warn`: only the high-water mark could not be written. */
function checkStorage({ storage }: HealthOptions): HealthCheck {
  const [database, mark] = [storage.outage('database'), storage.outage('high_water')];
  const trouble = database ?? mark;
  const damagedSince = timeOf(storage.damagedSince());
  if (trouble === null) return { name: 'storage', status: damagedSince === null ? 'pass' : 'warn', damagedSince };
  const { reason, error, since, failures } = trouble;
  return {
    name: 'storage',
    status: database === null ? 'warn' : 'fail',
    file: database === null ? 'high_water' : 'database',
    reason,
    lastError: error,
    since: timeOf(since),
    failures,
    damagedSince,
  };
}

function checkKeys({ keyrings, scheduler, latch, issuerClock, theft }: HealthOptions): HealthCheck {
  try {
    const { kid, alg } = latch.refusing() === null ? keyrings.token.active() : {};
    const rotationAt = scheduler.nextRotationAt('token');
    const eventRotationAt = scheduler.nextRotationAt('event');
    const isLate = [rotationAt, eventRotationAt].some((at) => at !== null && issuerClock.now() > at + LATE_MS);
    return {
      name: 'keys',
      status: isLate || theft.kid !== null ? 'warn' : 'pass',
      kid,
      alg,
      ...(theft.kid !== null && { event_key_stolen: theft.kid }),
      nextKid: keyrings.token.rows().find(({ state }) => state === 'next')?.kid ?? null,
      rotationAt: timeOf(rotationAt),
      eventRotationAt: timeOf(eventRotationAt),
      tokenKeys: keyrings.token.kids().length,
      eventKeys: keyrings.event.kids().length,
    };
  } catch (error) {
    return { name: 'keys', status: 'fail', lastError: error instanceof Error ? error.message : String(error) };
  }
}

const timeOf = (at: EpochMillis | null) => (at === null ? null : new Date(at).toISOString());

/**
 * Nothing is minted while the clocks differ; logouts continue. `warn` also while `trustedClock` is set, which is meant to be temporary.
 */
function checkClock({ issuerClock, reference, clock }: HealthOptions): HealthCheck {
  const partedMs = issuerClock.clockDifferenceMs();
  const leadMs = issuerClock.leadMs();
  const comparison = reference?.state();
  const { trusted } = reference ?? {};
  const isApart = comparison === 'parted' || (comparison === 'unknown' && trusted === 'publisher');
  // No login succeeds until the wall clock has caught up, or agrees with the publisher's.
  const isFailed = leadMs > CLOCK_TOLERANCE_MS || (isApart && issuerClock.isMintingBlocked());
  const isDoubtful = issuerClock.isMintingBlocked() || isLeading(issuerClock) || trusted !== undefined;
  const status = isFailed ? 'fail' : isDoubtful ? 'warn' : 'pass';
  const times = reference !== undefined && (isApart || trusted !== undefined) ? clockTimes(reference, clock.now()) : {};
  return { name: 'clock', status, partedMs, leadMs, ...(comparison === undefined ? {} : { comparison }), ...times };
}

interface GaugeOptions {
  readonly store: Pick<Store, 'log' | 'read' | 'maintain'>;
  readonly latch: ReadOnlyLatch;
  readonly issuerClock: IssuerClock;
  readonly reference: ReferenceClock | undefined;
  readonly keyRotation: Required<KeyRotation>;
  readonly userEventRetentionMs: DurationMs;
  readonly telemetry: Telemetry;
}

/** Maintains the store's files, and sets the gauges of the log, the clock and the configured rotation: to be called every second. */
export function createGauges({
  store,
  latch,
  issuerClock,
  reference,
  keyRotation,
  userEventRetentionMs,
  telemetry,
}: GaugeOptions): () => Promise<void> {
  const secondsOf = (every: number | 'never') => (every === 'never' ? Number.POSITIVE_INFINITY : every / 1_000);
  telemetry.gauge('rescind_key_interval_seconds', secondsOf(keyRotation.everyMs), { purpose: 'token' });
  telemetry.gauge('rescind_key_interval_seconds', secondsOf(keyRotation.eventEveryMs), { purpose: 'event' });
  telemetry.gauge('rescind_writes_refused', latch.refusing() === null ? 0 : 1, { reason: 'database_restored' });
  telemetry.gauge('rescind_user_events_retention_seconds', userEventRetentionMs / 1_000);
  return async () => {
    store.maintain();
    const partedMs = issuerClock.clockDifferenceMs();
    telemetry.gauge('rescind_clock_parted_seconds', partedMs / 1_000);
    telemetry.gauge('rescind_writes_refused', issuerClock.isMintingBlocked() ? 1 : 0, { reason: 'clock_parted' });
    telemetry.gauge(
      'rescind_clock_publisher_apart_seconds',
      (reference?.state() === 'parted' ? reference.differenceMs() : 0) / 1_000,
    );
    telemetry.gauge('rescind_writes_refused', latch.refusing() === null ? 0 : 1, { reason: 'database_restored' });
    const identity = store.log.identity();
    telemetry.gauge('rescind_log_head_seq', identity?.head ?? 0);
    telemetry.gauge('rescind_log_low_watermark_seq', identity?.floor ?? 0);
    const oldestAt = (await store.read.userEvents.oldestAt()) ?? issuerClock.now();
    telemetry.gauge('rescind_user_events_oldest_timestamp_seconds', oldestAt / 1_000);
  };
}
