import type { VerifiedToken } from '@rescind/token';
import type { PackedEvent, RecordReaderSettings } from './event/read.ts';
import { createRecordReader, pack } from './event/read.ts';

// The threads that verify the events of a catch-up import this module: see `openBulkVerifier`.

/** A thread has the text of a record alone: the calling thread adds its delivery. */
const NO_DELIVERY = { jws: '', live: false, hint: null };

/**
 * Creates the reader of a thread. It packs events; heartbeats, and what this version does not know, are read in the calling thread.
 */
export function createReader(settings: RecordReaderSettings): (token: VerifiedToken) => PackedEvent | undefined {
  const reader = createRecordReader(settings);
  return (token) => {
    const record = reader.read(NO_DELIVERY, token);
    return record.kind === 'event' ? pack(record) : undefined;
  };
}
