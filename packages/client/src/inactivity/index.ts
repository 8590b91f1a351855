import type { Lifecycle } from '../environment.ts';
import { globals, listen, openTabChannel, pageLifecycle } from '../environment.ts';

const INPUT = ['pointerdown', 'keydown', 'wheel'];
/** How often a tab tells the others that there was input. */
const TELL_EVERY_MS = 10_000;

/**
 * The lifecycle of a page whose session is not renewed on time once there was no input for a while, in any tab of the origin. The next
 * input renews it, unless its idle deadline has passed at the issuer. Requests of the application renew as always.
 * @param afterMs how long without input, in ms
 * @param now a clock that never goes back, in ms. Default `performance.now`
 * @throws TypeError
 */
export function inactiveAfter(afterMs: number, now: () => number = () => performance.now()): Lifecycle {
  if (!(Number.isSafeInteger(afterMs) && afterMs > 0))
    throw new TypeError('inactiveAfter: afterMs must be milliseconds');
  let activeAt = now();
  const isActive = () => now() - activeAt <= afterMs;
  return {
    isActive,
    onWake(wake) {
      let toldAt = Number.NEGATIVE_INFINITY;
      const active = () => {
        const wasActive = isActive();
        activeAt = now();
        if (!wasActive) wake();
      };
      const channel = openTabChannel('rescind activity', active);
      const input = () => {
        active();
        if (now() - toldAt < TELL_EVERY_MS) return;
        toldAt = now();
        channel?.postMessage('active');
      };
      const stops = [pageLifecycle.onWake(wake), listen(globals, INPUT, input)];
      return () => {
        for (const stop of stops) stop();
        channel?.close();
      };
    },
  };
}
