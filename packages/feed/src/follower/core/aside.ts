import type { UnknownVersionRecord } from '../../event/record.ts';
import type { Draft } from './draft.ts';
import { log } from './draft.ts';

/** Kept for a version that understands it; until then nobody knows what it denies. */
export function quarantineEvent(draft: Draft, { epoch, seq, jws, why }: UnknownVersionRecord): void {
  const key = `${epoch}:${seq}`;
  if (seq < draft.kept.floor || draft.quarantined.has(key)) return;
  draft.quarantined = new Map(draft.quarantined).set(key, { epoch, seq });
  draft.quarantine.push({ log: draft.settings.log, epoch, seq, jws, why });
  log(draft, 'error', 'feed_event_not_understood', { epoch, seq, why });
}

/** Lets go of what is kept aside and can deny nothing any more. */
export function releaseQuarantined(draft: Draft, gone: (event: { epoch: string; seq: number }) => boolean): void {
  const released = [...draft.quarantined].filter(([, event]) => gone(event));
  if (released.length === 0) return;
  const left = new Map(draft.quarantined);
  for (const [key, event] of released) {
    left.delete(key);
    draft.release.push(event);
  }
  draft.quarantined = left;
}
