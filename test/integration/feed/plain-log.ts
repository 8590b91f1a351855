import type { LogSource } from '@rescind/feed';
import { RescindError } from '@rescind/revocation';

/** A log of record in memory whose "signed" texts are plain: for tests of the HTTP transport, which does not decode them. */
export interface PlainLog extends LogSource {
  append(count?: number): void;
  changeEpoch(epoch: string): void;
  /** Removes the events below this seq. */
  raiseFloor(floor: number): void;
  readonly heartbeatsSigned: () => number;
  readonly proofs: readonly string[];
}

export function createPlainLog(options: { epoch?: string; padding?: number } = {}): PlainLog {
  const padding = 'x'.repeat(options.padding ?? 0);
  const listeners = new Set<() => void>();
  const proofs: string[] = [];
  let epoch = options.epoch ?? '0001-a';
  let rows: { seq: number; jws: string }[] = [];
  let head = 0;
  let lowWatermark = 1;
  let signed = 0;
  const tell = () => {
    for (const listener of listeners) listener();
  };
  return {
    log: 'https://issuer.test',
    snapshot: () => ({ epoch, head, headId: head === 0 ? null : `id-${head}`, lowWatermark }),
    read: (after, limit) => {
      const from = rows.findIndex(({ seq }) => seq > after);
      return from === -1 ? [] : rows.slice(from, from + limit);
    },
    heartbeat: () => {
      signed += 1;
      return { jws: `heartbeat.${epoch}.${head}`, epoch, head };
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    receiveEvidence(jws) {
      if (jws === 'bad') throw new RescindError('event_invalid');
      proofs.push(jws);
    },
    append(count = 1) {
      for (let i = 0; i < count; i += 1) {
        head += 1;
        rows.push({ seq: head, jws: `event.${epoch}.${head}${padding}` });
      }
      tell();
    },
    changeEpoch(next) {
      epoch = next;
      rows = [];
      head = 0;
      lowWatermark = 1;
      tell();
    },
    raiseFloor(next) {
      lowWatermark = next;
      rows = rows.filter(({ seq }) => seq >= lowWatermark);
    },
    heartbeatsSigned: () => signed,
    proofs,
  };
}
