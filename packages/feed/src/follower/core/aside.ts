import type { NotUnderstoodRecord } from '../../event/record.ts';
import type { Draft } from './draft.ts';
import { log } from './draft.ts';

/** Kept for a version that understands it; until then nobody knows what it denies. */
export function setAside(draft: Draft, { epoch, seq, jws, why }: NotUnderstoodRecord): void {
  const key = `${epoch}:${seq}`;
  if (seq < draft.kept.floor || draft.quarantined.has(key)) return;
  draft.quarantined = new Map(draft.quarantined).set(key, { epoch, seq });
  draft.quarantine.push({ log: draft.settings.log, epoch, seq, jws, why });
  log(draft, 'error', 'feed_event_not_understood', { epoch, seq, why });
}

/** Lets go of what is kept aside and can deny nothing any more. */
export function releaseAside(draft: Draft, gone: (aside: { epoch: string; seq: number }) => boolean): void {
  const released = [...draft.quarantined].filter(([, aside]) => gone(aside));
  if (released.length === 0) return;
  const left = new Map(draft.quarantined);
  for (const [key, aside] of released) {
    left.delete(key);
    draft.release.push(aside);
  }
  draft.quarantined = left;
}
