import type { DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { KeyKeeper } from '../keys/keeper.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { WriteGate } from './write-gate.ts';

export interface Maintenance {
  /** What went wrong the last time, or null. */
  lastError(): string | null;
  /** Resolves when nothing of it is under way any more. */
  close(): Promise<void>;
}

interface MaintenanceOptions {
  /** Tries to write again what could not be written. */
  readonly probe: () => Promise<void>;
  /** Sets the gauges that only change with time. */
  readonly measure: () => void;
  readonly housekeeping: Housekeeping;
  readonly keeper: KeyKeeper;
  readonly gate: WriteGate;
  /** Whether nobody knows yet what time it is: then nothing is due. */
  readonly isTimeAwaited: () => boolean;
  readonly telemetry: Telemetry;
}

const EVERY_MS: DurationMs = 1_000;

/** Keeps house and keys each second, the keys at once. A failure is seen in health, and tried again. */
export async function openMaintenance({
  housekeeping,
  keeper,
  probe,
  measure,
  gate,
  isTimeAwaited,
  telemetry,
}: MaintenanceOptions): Promise<Maintenance> {
  let lastError: string | null = null;
  let isClosing = false;

  async function attempt(work: () => void | Promise<void>): Promise<string | null> {
    try {
      await work();
      return null;
    } catch (error) {
      // Writes are refused while the issuer closes: what is left undone is done at the next start.
      if (isClosing && error instanceof RescindError && error.code === 'stopping') return null;
      const reason = error instanceof Error ? error.message : String(error);
      telemetry.count('rescind_housekeeping_failures_total');
      if (lastError === null) telemetry.log('error', 'housekeeping_failed', { error: reason });
      return reason;
    }
  }

  async function keep(...works: (() => Promise<void>)[]): Promise<void> {
    if (gate.refusing() !== null || isTimeAwaited()) return;
    const errors: (string | null)[] = [];
    for (const work of works) errors.push(await attempt(work));
    lastError = errors.find((error) => error !== null) ?? null;
  }

  async function tryToWrite(): Promise<void> {
    try {
      await probe();
    } catch {
      // Counted and seen in health as the failed write that it is.
    }
  }

  async function run(...works: (() => Promise<void>)[]): Promise<void> {
    await keep(...works);
    await attempt(measure);
  }

  await run(keeper.run);
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    // One that takes longer than a second is not overtaken.
    running ??= (async () => {
      try {
        await tryToWrite();
        await run(housekeeping.run, keeper.run);
      } finally {
        running = undefined;
      }
    })();
  }, EVERY_MS);
  return {
    lastError: () => lastError,
    async close() {
      isClosing = true;
      clearInterval(timer);
      await running;
    },
  };
}
