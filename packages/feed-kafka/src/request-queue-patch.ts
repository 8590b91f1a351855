import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

/**
 * kafkajs 2.2.4 keeps a timer running for each connection, even when no request waits, and gives it a negative delay: on Node 24 it
 * fires every millisecond, with a TimeoutNegativeWarning. The timer sends requests that wait. The patched method starts it only while
 * a request waits. Another timer of each connection looks for requests without an answer: it keeps the process alive as long as the
 * connection is open, which is up to the socket (`createClient`).
 */

/** The part of kafkajs's request queue that the patch touches. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  readonly requestTimeoutIntervalId: NodeJS.Timeout | null | undefined;
}

interface RequestQueueClass {
  readonly prototype: {
    scheduleCheckPendingRequests: (this: RequestQueue) => void;
    scheduleRequestTimeoutCheck: (this: RequestQueue) => void;
  };
}

/** SHA-256 of the method's source in 2.2.4. Any other source is not patched. */
const KNOWN_SOURCE = '04347ea969c6f2e3754427c0cbaee0bd4ce947fbd82f7b6e027506a06dfc581a';
/** kafkajs's own interval between checks of requests that wait, in ms. */
const CHECK_MS = 10;

const require = createRequire(import.meta.url);
let applied = false;

/**
 * Patches the timer, once for all clients of this process.
 * @returns whether it is patched; false: the method's source is not that of 2.2.4
 */
export function patchRequestQueue(): boolean {
  if (applied) return true;
  const { prototype } = require('kafkajs/src/network/requestQueue/index.js') as RequestQueueClass;
  const source = String(prototype.scheduleCheckPendingRequests);
  if (createHash('sha256').update(source).digest('hex') !== KNOWN_SOURCE) return false;
  prototype.scheduleCheckPendingRequests = scheduleCheckPendingRequests;
  const { scheduleRequestTimeoutCheck } = prototype;
  prototype.scheduleRequestTimeoutCheck = function (this: RequestQueue) {
    scheduleRequestTimeoutCheck.call(this);
    this.requestTimeoutIntervalId?.unref();
  };
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
