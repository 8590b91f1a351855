import type { DurationMs, Telemetry } from '@rescind/revocation';
import type { KeyKeeper } from '../keys/keeper.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { WriteGate } from './write-gate.ts';

export interface Maintenance {
  /** What went wrong the last time, or null. */
  lastError(): string | null;
  close(): void;
}

interface MaintenanceOptions {
  /** Tries to write again what could not be written. */
  readonly probe: () => void;
  /** Sets the gauges that only change with time. */
  readonly measure: () => void;
  readonly housekeeping: Housekeeping;
  readonly keeper: KeyKeeper;
  readonly gate: WriteGate;
  readonly telemetry: Telemetry;
}

const EVERY_MS: DurationMs = 1_000;

/** Keeps house and keys each second, the keys at once. A failure is seen in health, and tried again. */
export function openMaintenance({
  housekeeping,
  keeper,
  probe,
  measure,
  gate,
  telemetry,
}: MaintenanceOptions): Maintenance {
  let lastError: string | null = null;

  function attempt(work: () => void): string | null {
    try {
      work();
      return null;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      telemetry.count('rescind_housekeeping_failures_total');
      if (lastError === null) telemetry.log('error', 'housekeeping_failed', { error: reason });
      return reason;
    }
  }

  function keep(...works: (() => void)[]): void {
    if (gate.refusing() !== null) return;
    const errors = works.map(attempt);
    lastError = errors.find((error) => error !== null) ?? null;
  }

  function tryToWrite(): void {
    try {
      probe();
    } catch {
      // Counted and seen in health as the failed write that it is.
    }
  }

  function run(...works: (() => void)[]): void {
    keep(...works);
    attempt(measure);
  }

  run(keeper.run);
  const timer = setInterval(() => {
    tryToWrite();
    run(housekeeping.run, keeper.run);
  }, EVERY_MS);
  return { lastError: () => lastError, close: () => clearInterval(timer) };
}
