import type { DurationMs } from '@rescind/revocation';
import { ageOf, isWallSet } from './age.ts';
import type { Draft } from './draft.ts';
import { changeWay, log, wayName } from './draft.ts';
import { gapFound } from './repair.ts';
import { readWhenBehind } from './standby.ts';
import type { WayId } from './types.ts';
import { isFirstSilent, openSecond, restart } from './ways.ts';

/**
 * How long an open connection may bring nothing signed until it is made anew, doubled from time to time. A broker that
 * loses its leader says nothing for 21 s and comes back by itself; server-sent events have a heartbeat every second.
 */
const STALL_MS = { kafka: 30_000, http: 10_000 } as const;
/** A heartbeat each 10 s. */
const STANDBY_STALL_MS: DurationMs = 25_000;
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
  const name = wayName(draft.settings, way);
  if (name === null || !(taken || standby) || !open) return;
  const patience = (standby ? STANDBY_STALL_MS : STALL_MS[name]) * 2 ** Math.min(stalls, MOST_STALLS_COUNTED);
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
