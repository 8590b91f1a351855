import type { DurationMs } from '@rescind/revocation';
import { ageOf, isWallSet } from './age.ts';
import type { Draft } from './draft.ts';
import { changeTransport, log, transportOf } from './draft.ts';
import { gapFound } from './repair.ts';
import { readWhenBehind } from './standby.ts';
import type { TransportRole } from './types.ts';
import { isPrimarySilent, openFallback, restart } from './ways.ts';

/** How often the time after which a silent connection is made anew is doubled at most. */
const MAX_STALLS_COUNTED = 4;

/** Without an answer for so long, a kept view that is young enough will do. */
const UNANSWERED_MS: DurationMs = 5_000;

/** What time alone brings about. */
export function passTime(draft: Draft): void {
  const { settings, kept } = draft;
  const isSilent = isPrimarySilent(draft);
  readWhenBehind(draft);
  if (settings.fallback !== null && !draft.transports.fallback.isRead && isSilent) openFallback(draft, 'silence');
  // A head that was only remembered and that nobody brings.
  if (isSilent && kept.seq < kept.head && draft.cause === null) gapFound(draft, 'primary');
  for (const transport of ['primary', 'fallback'] as const) restartIfStalled(draft, transport);
  if (kept.wholeAt > 0 && isWallSet(draft)) draft.isAgeToSave = true;
  becomeReadyByAge(draft);
}

function restartIfStalled(draft: Draft, transport: TransportRole): void {
  const { isRead, standby, open, since, heardAt, stalls } = draft.transports[transport];
  if (!(isRead || standby) || !open) return;
  const { stallMs, standbyStallMs } = transportOf(draft.settings, transport);
  const patience = (standby ? standbyStallMs : stallMs) * 2 ** Math.min(stalls, MAX_STALLS_COUNTED);
  if (draft.at.monotonic - Math.max(since, heardAt) < patience) return;
  restart(draft, transport, 'stalled');
  changeTransport(draft, transport, { stalls: stalls + 1 });
}

function becomeReadyByAge(draft: Draft): void {
  if (draft.ready || draft.at.monotonic - draft.answeredAt < UNANSWERED_MS) return;
  const ageMs = ageOf(draft);
  if (ageMs > draft.settings.maxStalenessMs) return;
  draft.ready = true;
  draft.effects.push({ kind: 'ready', by: 'age' });
  log(draft, 'warn', 'feed_ready_by_age', { ageMs });
}
