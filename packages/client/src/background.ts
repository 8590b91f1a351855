import type { Channel, Clock, Lifecycle } from './environment.ts';
import { ignore, openTabChannel } from './environment.ts';
import type { Renewal } from './renewal.ts';

interface Options {
  readonly renewal: Renewal;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inactivityMs: number | undefined;
  /** Empty: no other tab shares the session. */
  readonly channelName: string;
  /** What a logout without a connection has left to do. */
  readonly resume: () => Promise<void>;
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

/** Timers are late after sleep, and browsers end long ones early: the clocks are read at least so often. */
const LONGEST_TIMER_MS = 60_000;
const SHORTEST_TIMER_MS = 250;
/** How often a tab tells the others that there was input. */
const ACTIVITY_EVERY_MS = 10_000;

export function createBackground(options: Options): Background {
  const { renewal, clock, lifecycle, inactivityMs, channelName } = options;
  let timer: unknown;
  let channel: Channel | undefined;
  let stops: (() => void)[] = [];
  let isStarted = false;
  let activeAt = clock.monotonic();

  const isInactive = () => inactivityMs !== undefined && clock.monotonic() - activeAt > inactivityMs;

  function reschedule(): void {
    clock.clearTimeout(timer);
    const due = isStarted ? renewal.dueInMs() : undefined;
    if (due === undefined) return;
    timer = clock.setTimeout(tick, Math.min(Math.max(due, SHORTEST_TIMER_MS), LONGEST_TIMER_MS));
  }

  function tick(): void {
    const due = renewal.dueInMs();
    // An absent user's session is left to the idle deadline of the issuer.
    if (due === undefined || due > 0 || isInactive()) reschedule();
    else void renewal.renew().catch(ignore).finally(reschedule);
  }

  async function wake(): Promise<void> {
    await renewal.sync();
    await options.resume();
    // The connection may be back: a session that waits tries at once, except within its cool-down.
    if (renewal.isFailing() && !isInactive()) await renewal.renew().catch(ignore);
    tick();
  }

  function active(isHere: boolean): void {
    const wasInactive = isInactive();
    const before = activeAt;
    activeAt = clock.monotonic();
    if (isHere && activeAt - before > ACTIVITY_EVERY_MS) channel?.postMessage('active');
    if (wasInactive) tick();
  }

  async function received(hint: unknown): Promise<void> {
    if (hint === 'active') return active(false);
    await renewal.sync();
    // There is no store that says so: only the issuer knows.
    if (hint === 'ended' && renewal.dueInMs() !== undefined) await renewal.renew().catch(ignore);
    reschedule();
  }

  return {
    start() {
      if (isStarted) return;
      isStarted = true;
      if (channelName) channel = openTabChannel(channelName, (hint) => void received(hint));
      stops = [lifecycle.onWake(() => void wake()), lifecycle.onActivity(() => active(true))];
      reschedule();
    },
    stop() {
      isStarted = false;
      clock.clearTimeout(timer);
      for (const stop of stops) stop();
      channel?.close();
      channel = undefined;
      stops = [];
    },
    reschedule,
    post: (hint) => channel?.postMessage(hint),
  };
}
