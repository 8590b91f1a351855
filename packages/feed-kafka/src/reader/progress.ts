import type { Clock, DurationMs } from '@rescind/revocation';

/** Watches that a connection gets on: an idle topic answers a fetch twice a second, a stalled client makes none. */
export interface ProgressWatch {
  /** A fetch was answered. */
  note(): void;
  /** While the reader's records are being applied there is no fetch to wait for. */
  busy(working: boolean): void;
  close(): void;
}

const LOOK_MS: DurationMs = 500;

export function watchProgress(clock: Clock, stallMs: DurationMs, stalled: () => void): ProgressWatch {
  let last = clock.monotonic();
  let looked = last;
  let working = false;
  const look = () => {
    const now = clock.monotonic();
    // This process has stood still itself: the answers are there and have not been read yet.
    if (now - looked > LOOK_MS * 2 || working) last = now;
    looked = now;
    if (now - last > stallMs) stalled();
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    note() {
      last = clock.monotonic();
    },
    busy(value) {
      working = value;
      last = clock.monotonic();
    },
    close: () => clearInterval(timer),
  };
}
