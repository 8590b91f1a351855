import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Milliseconds since 1970-01-01T00:00:00Z, whole. */
export type EpochMillis = number;
/** Seconds since 1970-01-01T00:00:00Z: a NumericDate of RFC 7519 section 2. */
export type EpochSeconds = number;
/** Milliseconds, a length of time. */
export type DurationMs = number;

/** One run of this machine's kernel. The time it has been up counts while the machine is suspended too. */
export interface Boot {
  /** Another one after each start of the machine. */
  readonly id: string;
  /** How long the machine has been up. */
  readonly uptimeMs: DurationMs;
}

/** The clocks of a process, a parameter of everything that reads the time. */
export interface Clock {
  /** The wall clock, whole milliseconds. May go back. */
  now(): EpochMillis;
  /** A clock that never goes back, in milliseconds from an arbitrary start. */
  monotonic(): DurationMs;
  /** How long the machine has been up; undefined, or no such method: unknown. */
  boot?(): Boot | undefined;
}

/** The clocks of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  boot() {
    bootId ??= readBootId();
    return bootId === '' ? undefined : { id: bootId, uptimeMs: Math.round(uptime() * 1000) };
  },
};

/** Empty where the system has no boot id: only Linux has one. */
let bootId: string | undefined;

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** A clock that moves only by its methods: for tests and simulations. */
export interface ManualClock extends Clock {
  /** Time passes: both clocks move. */
  advance(ms: DurationMs): void;
  /** Sets the wall clock: the monotonic one does not move. */
  setWall(at: EpochMillis): void;
}

/** Creates a clock that stands still. @param wall ms since 1970 @param monotonic ms. Default 0 */
export function createManualClock(wall: EpochMillis, monotonic: DurationMs = 0): ManualClock {
  return {
    now: () => wall,
    monotonic: () => monotonic,
    advance(ms) {
      wall += ms;
      monotonic += ms;
    },
    setWall(at) {
      wall = at;
    },
  };
}

/** Greatest difference of clocks that is tolerated. RFC 7519 section 4.1.4: "no more than a few minutes". */
export const CLOCK_TOLERANCE_MS: DurationMs = 60_000;
