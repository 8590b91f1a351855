import type { SignedHeartbeat } from '../ports.ts';

/** Calls `then` with a heartbeat: at once where it is there. */
export function whenSigned(
  heartbeat: SignedHeartbeat | Promise<SignedHeartbeat>,
  then: (heartbeat: SignedHeartbeat) => void,
): void | Promise<void> {
  return heartbeat instanceof Promise ? heartbeat.then(then) : then(heartbeat);
}

/** What a connected reader is told. */
export interface Listener {
  /** Events may have been appended, or the epoch may have changed. */
  appended(): void;
  heartbeat(heartbeat: SignedHeartbeat): void;
  /** Bytes that wait for the reader to take them. */
  buffered(): number;
  /** Disconnects at once; the reader resumes where it was. */
  cut(reason: string): void;
  end(reason?: string): void;
}

/** A standby stream: heartbeats only, until it is to deliver events. */
export interface StandbyListener extends Listener {
  /** Writes the events after a position as well. */
  deliver(from: Delivery): void;
  /** Heartbeats only, from now on. */
  standBy(): void;
  /** The epoch of the log: another than the one of this connection ends it. */
  epochIs(now: string): void;
}

/** The events that a standby stream is to write: those after `after`; those from `until` to `resume` are left out. */
export interface Delivery {
  readonly after: number;
  readonly until: number;
  readonly resume: number;
}
