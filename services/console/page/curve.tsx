import { useEffect, useRef, useState } from 'preact/hooks';
import type { Receipt } from '../src/frames.ts';
import { timesOf } from './receipt-text.ts';
import { msText } from './text.ts';

interface CurveProps {
  readonly receipt: Receipt;
  /** The time since the commit whose state is shown, in ms. Default: the end. */
  readonly atMs?: number;
  /** Without axes, 120 pixels wide. */
  readonly isSmall?: boolean;
  /** Drawn behind the curve: the range of the times of other revocations, in ms. */
  readonly band?: { readonly from: number; readonly to: number } | undefined;
}

/** The ends of the axis, and its marks. */
const FIRST_MS = 1;
const LAST_MS = 15_000;
const MARKS_MS = [1, 10, 100, 1_000, 10_000];

/** The position of a time on the logarithmic axis, from 0 to 1. */
function positionOf(ms: number): number {
  return Math.min(1, Math.max(0, Math.log(Math.max(ms, FIRST_MS)) / Math.log(LAST_MS / FIRST_MS)));
}

/** The arrival curve: the share of the instances that deny a revocation, by the time since its commit. */
export function Curve({ receipt, atMs = Number.POSITIVE_INFINITY, isSmall = false, band }: CurveProps) {
  const box = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(isSmall ? 120 : 640);
  useEffect(() => {
    if (isSmall || !box.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.max(200, entry.contentRect.width)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [isSmall]);
  const height = isSmall ? 30 : 200;
  const [left, right, top, bottom] = isSmall ? [1, 1, 2, 2] : [44, 14, 10, 44];
  const x = (ms: number) => left + positionOf(ms) * (width - left - right);
  const y = (share: number) => height - bottom - share * (height - top - bottom);
  const times = timesOf(receipt).filter((ms) => ms <= atMs);
  const known = receipt.members.filter(({ ms }) => ms === null).length;
  const share = (count: number) => count / Math.max(1, receipt.of);
  let path = `M${left} ${y(share(known))}`;
  const marked = new Set<number>();
  times.forEach((ms, index) => {
    const at = Math.round(x(ms));
    marked.add(at);
    // A thousand instances within one pixel are one step.
    const next = times[index + 1];
    if (next === undefined || Math.round(x(next)) !== at) path += `H${at}V${y(share(known + index + 1)).toFixed(1)}`;
  });
  const end = Number.isFinite(atMs) ? x(atMs) : width - right;
  path += `H${Math.max(end, x(times.at(-1) ?? FIRST_MS)).toFixed(1)}`;
  const area = `${path}V${y(0)}H${left}Z`;
  const label = `${receipt.reached} of ${receipt.of} instances deny it${receipt.lastMs === null ? '' : `, the last after ${msText(receipt.lastMs)}`}`;
  const ticks = [...marked].map((at) => `M${at} ${height - bottom + 5}v7`).join('');
  return (
    <svg
      ref={box}
      class={`curve ${isSmall ? 'small' : ''} ${receipt.complete ? '' : 'incomplete'}`}
      viewBox={`0 0 ${width} ${height}`}
      width={isSmall ? width : '100%'}
      height={height}
      role="img"
      aria-label={label}
    >
      {!isSmall && (
        <>
          {band && (
            <rect
              class="band"
              x={x(band.from)}
              y={y(1)}
              width={Math.max(2, x(band.to) - x(band.from))}
              height={y(0) - y(1)}
            />
          )}
          {[0, 0.5, 1].map((at) => (
            <g key={at}>
              <path class="grid" d={`M${left} ${y(at)}H${width - right}`} />
              <text x={left - 8} y={y(at) + 4} text-anchor="end">
                {at * 100} %
              </text>
            </g>
          ))}
          {MARKS_MS.map((ms) => (
            <g key={ms}>
              <path class="grid" d={`M${x(ms)} ${y(1)}V${y(0)}`} />
              <text x={x(ms)} y={height - 8} text-anchor={ms === FIRST_MS ? 'start' : 'middle'}>
                {ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`}
              </text>
            </g>
          ))}
        </>
      )}
      <path class="area" d={area} />
      <path class="line" d={path} />
      {!isSmall && <path class="ticks" d={ticks} />}
    </svg>
  );
}
