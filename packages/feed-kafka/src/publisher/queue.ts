/** What waits to be sent, in order. Several that wait go out together. */
export interface SendQueue {
  readonly size: number;
  /** Resolves or rejects when its last record has been settled. */
  add(records: readonly string[]): Promise<void>;
  /** The records of the next send: from the front, as many as fit; at least one if any wait. */
  take(): readonly string[];
  /** The records last taken have been acknowledged. */
  acknowledge(): void;
  /** Nothing that waits will be sent. */
  reject(error: Error): void;
}

export interface SendLimits {
  readonly records: number;
  readonly bytes: number;
}

interface Waiting {
  readonly records: readonly string[];
  sent: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export function createSendQueue(limits: SendLimits): SendQueue {
  let waiting: Waiting[] = [];
  let taken = 0;

  return {
    get size() {
      return waiting.reduce((sum, { records, sent }) => sum + records.length - sent, 0);
    },
    add(records) {
      if (records.length === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        waiting.push({ records, sent: 0, resolve, reject });
      });
    },
    take() {
      const batch: string[] = [];
      let bytes = 0;
      for (const { records, sent } of waiting) {
        for (const record of records.slice(sent, sent + limits.records)) {
          bytes += Buffer.byteLength(record);
          const isFull = batch.length === limits.records || bytes > limits.bytes;
          if (isFull && batch.length > 0) {
            taken = batch.length;
            return batch;
          }
          batch.push(record);
        }
      }
      taken = batch.length;
      return batch;
    },
    acknowledge() {
      let left = taken;
      taken = 0;
      for (const one of waiting) {
        const sent = Math.min(left, one.records.length - one.sent);
        one.sent += sent;
        left -= sent;
        if (one.sent === one.records.length) one.resolve();
      }
      waiting = waiting.filter(({ records, sent }) => sent < records.length);
    },
    reject(error) {
      const rejected = waiting;
      waiting = [];
      taken = 0;
      for (const one of rejected) one.reject(error);
    },
  };
}
