import type { Acknowledgements, EventEncoder, LogSource } from '@rescind/feed';
import type { IssuerClock } from '@rescind/revocation';
import { isLeading } from '@rescind/revocation';
import type { LogIdentity } from '../store/log.ts';
import type { Store } from '../store/store.ts';

interface LogSourceOptions {
  readonly log: string;
  readonly store: Store;
  readonly encoder: () => EventEncoder;
  readonly issuerClock: Pick<IssuerClock, 'now' | 'wall' | 'leadMs'>;
  readonly onAppend: LogSource['onAppend'];
  readonly prove: LogSource['prove'];
  readonly acknowledgements: () => Acknowledgements | undefined;
}

/** The log of record, as those read it who carry it on. */
export function createLogSource(options: LogSourceOptions): LogSource {
  const { log, store, encoder, issuerClock, onAppend, prove } = options;
  const { meta, outbox, lastWords } = store;

  /** Inside a transaction this connection would show what may yet be rolled back. */
  function requireCommitted(): void {
    if (store.inTransaction) throw new Error('the log must not be read inside a transaction');
  }

  function snapshot(): LogIdentity {
    requireCommitted();
    const identity = meta.identity();
    if (identity === undefined) throw new Error('the log has no epoch');
    return identity;
  }

  return {
    log,
    snapshot,
    read(after, limit) {
      requireCommitted();
      return outbox.read(after, limit);
    },
    heartbeat() {
      // First, so that whatever was acknowledged before this time is at or below the head.
      const at = issuerClock.now();
      const wall = issuerClock.wall();
      // A restart must not tell an earlier time than a heartbeat did; while the wall clock leads, it does not.
      if (isLeading(issuerClock)) meta.clockFloor.set(at);
      const { epoch, head, last, floor } = snapshot();
      const timeSince = meta.timeSince();
      return { jws: encoder().heartbeat({ epoch, head, last, floor, at, wall, timeSince }), epoch, head };
    },
    lastWord: (epoch) => lastWords.find(epoch),
    onAppend,
    prove,
    get acknowledgements() {
      return options.acknowledgements();
    },
  };
}
