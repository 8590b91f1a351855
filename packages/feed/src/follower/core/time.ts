import type { DurationMs } from '@rescind/revocation';
import { ageOf, isWallSet } from './age.ts';
import type { Draft } from './draft.ts';
import { changeWay, log, transportOf } from './draft.ts';
import { gapFound } from './repair.ts';
import { readWhenBehind } from './standby.ts';
import type { WayId } from './types.ts';
import { isFirstSilent, openSecond, restart } from './ways.ts';

/** How often the time after which a silent connection is made anew is doubled at most. */
const MOST_STALLS_COUNTED = 4;

/** Without an answer for so long, a kept view that is young enough will do. */
const UNANSWERED_MS: DurationMs = 5_000;

/** What time alone brings about. */
export function passTime(draft: Draft): void {
  const { settings, kept } = draft;
  const isSilent = isFirstSilent(draft);
  readWhenBehind(draft);
  if (settings.second !== null && !draft.ways.second.taken && isSilent) openSecond(draft, 'silence');
  // A head that was only remembered and that nobody brings.
  if (isSilent && kept.seq < kept.head && draft.cause === null) gapFound(draft, 'first');
  for (const way of ['first', 'second'] as const) restartIfStalled(draft, way);
  if (kept.wholeAt > 0 && isWallSet(draft)) draft.isAgeToSave = true;
  becomeReadyByAge(draft);
}

function restartIfStalled(draft: Draft, way: WayId): void {
  const { taken, standby, open, since, heardAt, stalls } = draft.ways[way];
  if (!(taken || standby) || !open) return;
  const { stallMs, standbyStallMs } = transportOf(draft.settings, way);
  const patience = (standby ? standbyStallMs : stallMs) * 2 ** Math.min(stalls, MOST_STALLS_COUNTED);
  if (draft.at.monotonic - Math.max(since, heardAt) < patience) return;
  restart(draft, way, 'stalled');
  changeWay(draft, way, { stalls: stalls + 1 });
}

function becomeReadyByAge(draft: Draft): void {
  if (draft.ready || draft.at.monotonic - draft.answeredAt < UNANSWERED_MS) return;
  const ageMs = ageOf(draft);
  if (ageMs > draft.settings.maxStalenessMs) return;
  draft.ready = true;
  draft.effects.push({ kind: 'ready', by: 'age' });
  log(draft, 'warn', 'feed_ready_by_age', { ageMs });
}
