import { useEffect, useRef, useState } from 'preact/hooks';
import type { Receipt, Revocation } from '../src/frames.ts';
import { Curve } from './curve.tsx';
import { useLive } from './live.ts';
import { Stale } from './parts.tsx';
import { sentenceOfReceipt, timesOf } from './receipt-text.ts';
import { msText } from './text.ts';
import { Tiles } from './tiles.tsx';

interface CrossingProps {
  readonly revocation: Revocation;
  readonly receipt: Receipt;
  /** Whether it is replayed once when it is shown, as after a command of this operator. Default: no. */
  readonly isOwn?: boolean;
}

/** How long a replay takes on the screen, in ms. */
const REPLAY_MS = 2_500;
/** The steps of the slider. A range in ms would not reach the end at each total: its last step may be beyond it by a rounding error. */
const STEPS = 200;
/** The newest revocations whose times are drawn behind the curve, and the fewest for which that is done. */
const COMPARED = 100;
const MIN_COMPARED = 5;
const isStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** How a revocation crosses the fleet: the arrival curve above, a tile for each instance below, and the same replayed slowed. */
export function Crossing({ revocation, receipt, isOwn = false }: CrossingProps) {
  const { propagation } = useLive();
  const times = timesOf(receipt);
  const total = Math.max(1, times.at(-1) ?? 1);
  const replay = useReplay(total, isOwn, revocation.txn);
  const before = propagation.slice(-COMPARED);
  const band =
    before.length < MIN_COMPARED
      ? undefined
      : { from: Math.min(...before.map(({ p50 }) => p50)), to: Math.max(...before.map(({ p99 }) => p99)) };
  const atMs = replay.atMs ?? Number.POSITIVE_INFINITY;
  return (
    <div class="crossing">
      <p class="sentence">
        {sentenceOfReceipt(receipt)} <Stale />
      </p>
      <Curve receipt={receipt} atMs={atMs} band={band} />
      <div class="replay">
        <button type="button" class="small" onClick={replay.play} disabled={times.length === 0}>
          Replay slowed
        </button>
        <label>
          <span class="aloud">Time since the commit</span>
          <input
            type="range"
            min="0"
            max={STEPS}
            value={Math.round((Math.min(atMs, total) / total) * STEPS)}
            aria-valuetext={msText(Math.min(atMs, total))}
            onInput={(event) => replay.seek((Number(event.currentTarget.value) / STEPS) * total)}
          />
        </label>
        <output>{msText(Math.min(atMs, total))}</output>
        <span class="about">
          took {msText(receipt.lastMs)}, shown {Math.max(1, Math.round(REPLAY_MS / total))}× slower
          {band && `; grey: p50 to p99 of the last ${COMPARED}`}
        </span>
      </div>
      <Tiles receipt={receipt} atMs={atMs} />
      <p class="about">
        {receipt.of} instances reported when it was committed; that number is fixed then. A time is from the commit
        until the instance denied, by the clock of the issuer.
      </p>
    </div>
  );
}

interface Replay {
  /** Undefined: the end is shown. */
  readonly atMs: number | undefined;
  play(): void;
  seek(ms: number): void;
}

/** Runs the time of a crossing once, slowed. Nothing moves for those who prefer that. */
function useReplay(total: number, isOwn: boolean, of: string): Replay {
  const [atMs, setAt] = useState<number>();
  const frame = useRef(0);
  const stop = () => cancelAnimationFrame(frame.current);
  const play = () => {
    stop();
    if (isStill()) return setAt(undefined);
    const began = performance.now();
    const step = () => {
      const share = (performance.now() - began) / REPLAY_MS;
      if (share >= 1) return setAt(undefined);
      setAt(share * total);
      frame.current = requestAnimationFrame(step);
    };
    step();
  };
  useEffect(() => {
    if (isOwn) play();
    else setAt(undefined);
    return stop;
  }, [of, isOwn]);
  return {
    atMs,
    play,
    seek(ms) {
      stop();
      setAt(ms >= total ? undefined : ms);
    },
  };
}
