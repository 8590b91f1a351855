import type { IssuerClock, ReferenceClock, Telemetry } from '@rescind/revocation';
import type { KeyRotation } from './issuer-keys.ts';
import type { WriteGate } from './log/write-gate.ts';
import type { Store } from './store/store.ts';

interface GaugeOptions {
  readonly store: Pick<Store, 'log' | 'maintain'>;
  readonly gate: WriteGate;
  readonly issuerClock: IssuerClock;
  readonly reference: ReferenceClock | undefined;
  readonly keyRotation: Required<KeyRotation>;
  readonly telemetry: Telemetry;
}

/** Maintains the store's files, and sets the gauges of the log, the clock and the configured rotation: to be called every second. */
export function createGauges({
  store,
  gate,
  issuerClock,
  reference,
  keyRotation,
  telemetry,
}: GaugeOptions): () => void {
  const secondsOf = (every: number | 'never') => (every === 'never' ? Number.POSITIVE_INFINITY : every / 1_000);
  telemetry.gauge('rescind_key_interval_seconds', secondsOf(keyRotation.everyMs), { purpose: 'token' });
  telemetry.gauge('rescind_key_interval_seconds', secondsOf(keyRotation.eventEveryMs), { purpose: 'event' });
  telemetry.gauge('rescind_writes_refused', gate.refusing() === null ? 0 : 1, { why: 'database_restored' });
  return () => {
    store.maintain();
    const partedMs = issuerClock.partedMs();
    telemetry.gauge('rescind_clock_parted_seconds', partedMs / 1_000);
    telemetry.gauge('rescind_writes_refused', issuerClock.isParted() ? 1 : 0, { why: 'clock_parted' });
    telemetry.gauge(
      'rescind_clock_publisher_apart_seconds',
      (reference?.state() === 'parted' ? reference.apartMs() : 0) / 1_000,
    );
    telemetry.gauge('rescind_writes_refused', gate.refusing() === null ? 0 : 1, { why: 'database_restored' });
    const identity = store.log.identity();
    telemetry.gauge('rescind_log_head_seq', identity?.head ?? 0);
    telemetry.gauge('rescind_log_low_watermark_seq', identity?.floor ?? 0);
  };
}
