import type { Channel, Clock, Lifecycle } from './environment.ts';
import { ignore, openTabChannel } from './environment.ts';
import type { Renewal } from './renewal.ts';

interface Options {
  readonly renewal: Renewal;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  /** Empty: no other tab shares the session. */
  readonly channelName: string;
  /** The work that a logout without a connection leaves. */
  readonly resume: () => Promise<unknown>;
}

/** Renews on time, and listens to the page and to other tabs. */
export interface Background {
  start(): void;
  stop(): void;
  /** The time of the next renewal has changed. */
  reschedule(): void;
  /** Tells other tabs. */
  post(hint: 'changed' | 'ended'): void;
}

/** Timers are late after sleep, and browsers end long ones early: the clocks are read at least this often. */
const LONGEST_TIMER_MS = 60_000;
const SHORTEST_TIMER_MS = 250;

export function createBackground(options: Options): Background {
  const { renewal, clock, lifecycle, channelName } = options;
  let timer: unknown;
  let channel: Channel | undefined;
  let stopWaking = ignore;
  let isStarted = false;
  function reschedule(leastMs = SHORTEST_TIMER_MS): void {
    clock.clearTimeout(timer);
    const due = isStarted ? renewal.dueInMs() : undefined;
    if (due === undefined) return;
    timer = clock.setTimeout(() => tick(), Math.min(Math.max(due, leastMs), LONGEST_TIMER_MS));
  }

  /** @param isWake the connection may be back: a session that waits tries at once, except within its cool-down */
  function tick(isWake = false): void {
    const due = renewal.dueInMs(isWake) ?? 1;
    // An absent user's session is left to the idle deadline of the issuer.
    if (due > 0) reschedule();
    else if (lifecycle.isActive?.() === false) reschedule(LONGEST_TIMER_MS);
    else void renewal.renew().catch(ignore).finally(reschedule);
  }

  async function wake(): Promise<void> {
    await renewal.sync();
    await options.resume();
    tick(true);
  }

  async function received(hint: unknown): Promise<void> {
    await renewal.sync();
    // Without a shared store only the issuer knows whether the session has ended.
    if (hint === 'ended' && renewal.dueInMs()) await renewal.renew().catch(ignore);
    reschedule();
  }

  return {
    start() {
      if (isStarted) return;
      isStarted = true;
      if (channelName) channel = openTabChannel(channelName, (hint) => void received(hint));
      stopWaking = lifecycle.onWake(() => void wake());
      reschedule();
    },
    stop() {
      isStarted = false;
      clock.clearTimeout(timer);
      stopWaking();
      channel?.close();
      channel = undefined;
    },
    reschedule,
    post: (hint) => channel?.postMessage(hint),
  };
}
