import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

/**
 * kafkajs 2.2.4 keeps a timer running for each connection, whether anything waits for it or not, and gives it a
 * negative delay: on Node 24 that is a timer every millisecond and a TimeoutNegativeWarning. The timer is there to send
 * requests that wait; without any there is nothing to do, and each request that comes to wait starts it anew.
 */

/** The part of kafkajs's request queue that the patch touches. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
}

interface RequestQueueClass {
  readonly prototype: { scheduleCheckPendingRequests: (this: RequestQueue) => void };
}

/** SHA-256 of the method's source in 2.2.4: any other code may mean something else, and is left alone. */
const KNOWN_SOURCE = '04347ea969c6f2e3754427c0cbaee0bd4ce947fbd82f7b6e027506a06dfc581a';
/** What kafkajs itself waits before it looks again for a request that waits for another to be answered. */
const CHECK_MS = 10;

const require = createRequire(import.meta.url);
let applied = false;

/**
 * Mends the timer, once for all clients of this process.
 * @returns whether it is mended; not so with code that is not known
 */
export function patchRequestQueue(): boolean {
  if (applied) return true;
  const { prototype } = require('kafkajs/src/network/requestQueue/index.js') as RequestQueueClass;
  const source = String(prototype.scheduleCheckPendingRequests);
  if (createHash('sha256').update(source).digest('hex') !== KNOWN_SOURCE) return false;
  prototype.scheduleCheckPendingRequests = scheduleCheckPendingRequests;
  applied = true;
  return true;
}

function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const throttledFor = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    },
    throttledFor > 0 ? throttledFor : CHECK_MS,
  );
}
