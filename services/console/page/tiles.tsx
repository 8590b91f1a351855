import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Instance, InstanceState, Receipt } from '../src/frames.ts';
import { useLive, useTime } from './live.ts';
import { StateShape } from './parts.tsx';
import { ageText, byServiceAndName, colorOf, msText } from './text.ts';

/** The most tiles that are shown large (220 pixels wide), and as elements; more are drawn on a canvas. */
const MAX_LARGE = 24;
const MAX_ELEMENTS = 200;

interface TilesProps {
  readonly receipt: Receipt | undefined;
  /** The time since the commit that is shown, in ms. Default: the end. */
  readonly atMs?: number;
}

/** One instance, and what is known of it and of the revocation. */
export interface Tile {
  readonly id: string;
  readonly service: string;
  readonly instance: string;
  readonly state: InstanceState;
  /** The instance as it is now; undefined: it is not reported any more. */
  readonly now: Instance | undefined;
  /** `denies` after `ms`, `missing`, or `none`: it was no member. */
  readonly reach: 'denies' | 'missing' | 'none';
  readonly ms: number | null;
}

/** The tiles in a fixed order: by service, then by name with its numbers as numbers. */
function tilesOf(instances: ReadonlyMap<string, Instance>, receipt: Receipt | undefined): Tile[] {
  const tiles = new Map<string, Tile>();
  for (const one of instances.values()) {
    const { id, service, instance, state } = one;
    if (state !== 'left') tiles.set(id, { id, service, instance, state, now: one, reach: 'none', ms: null });
  }
  const known = (id: string): Pick<Tile, 'state' | 'now'> => {
    const now = instances.get(id);
    return { now, state: now?.state ?? 'left' };
  };
  for (const { ms, id, ...name } of receipt?.members ?? []) {
    tiles.set(id, { id, ...name, ...known(id), reach: 'denies', ms });
  }
  for (const { id, service, instance } of receipt?.missing ?? []) {
    tiles.set(id, { id, service, instance, ...known(id), reach: 'missing', ms: null });
  }
  return [...tiles.values()].sort(byServiceAndName);
}

/** A tile for each instance: large, small, or squares on a canvas, by their number. */
export function Tiles({ receipt, atMs = Number.POSITIVE_INFINITY }: TilesProps) {
  const { instances } = useLive();
  const tiles = useMemo(() => tilesOf(instances, receipt), [instances, receipt]);
  if (tiles.length === 0) return <p class="empty">No instance reports yet.</p>;
  const groups = [...Map.groupBy(tiles, ({ service }) => service)];
  const size = tiles.length <= MAX_LARGE ? 'large' : tiles.length <= MAX_ELEMENTS ? 'small' : 'canvas';
  const isNew = ({ reach }: Tile) => receipt !== undefined && reach === 'none';
  const reached = (tile: Tile) => tile.reach === 'denies' && (tile.ms ?? 0) <= atMs;
  return (
    <div class={`tiles ${size}`}>
      {groups.map(([service, members]) => (
        <section key={service} aria-label={service}>
          <h3>
            {service}{' '}
            <span class="about">
              {receipt
                ? `${members.filter(reached).length} of ${members.filter(({ reach }) => reach !== 'none').length}`
                : members.length}
            </span>
          </h3>
          {size === 'canvas' ? (
            <Squares tiles={members} reached={reached} longestMs={Math.max(1, receipt?.lastMs ?? 1)} />
          ) : (
            <ul>
              {members.map((tile) =>
                size === 'large' ? (
                  <LargeTile key={tile.id} tile={tile} isReached={reached(tile)} isNew={isNew(tile)} />
                ) : (
                  <SmallTile key={tile.id} tile={tile} isReached={reached(tile)} />
                ),
              )}
            </ul>
          )}
        </section>
      ))}
    </div>
  );
}

interface TileProps {
  readonly tile: Tile;
  readonly isReached: boolean;
}

const reachedText = (ms: Tile['ms']) => (ms === null ? '✓' : msText(ms));
const missingText = (state: Tile['state']) => (state === 'live' ? 'missing' : state);

/** @param isNew it was no member of the receipt that is shown */
function LargeTile({
  tile: { instance, state, now: seen, reach, ms },
  isReached,
  isNew,
}: TileProps & { readonly isNew: boolean }) {
  const { now } = useTime();
  const details = [
    seen?.version ?? 'no version',
    seen?.transport === 'kafka' ? 'Kafka' : seen?.transport === 'http' ? 'HTTP' : (seen?.transport ?? '—'),
    seen?.lag === null ? 'other epoch' : `seq +${seen?.lag ?? '?'}`,
  ];
  return (
    <li class={`tile ${isReached ? 'reached' : ''} ${reach}`} data-state={state}>
      <span class="name">
        <StateShape state={state} />
        <strong title={instance}>{instance}</strong>
      </span>
      <span class="ms">
        {isReached ? reachedText(ms) : reach === 'missing' ? missingText(state) : isNew ? 'new' : ''}
      </span>
      <span class="about">
        {details.join(' · ')}
        {seen?.asOf != null && ` · ${ageText(now - seen.asOf)}`}
      </span>
      {seen?.suspect != null && <span class="badge bad">{seen.suspect}</span>}
    </li>
  );
}

function SmallTile({ tile: { instance, state, reach, ms }, isReached }: TileProps) {
  return (
    <li class={`tile ${isReached ? 'reached' : ''} ${reach}`} data-state={state} title={`${instance}, ${state}`}>
      <StateShape state={state} />
      <span class="aloud">{instance}</span>
      <span class="ms">{isReached ? (ms === null ? '✓' : Math.round(ms)) : ''}</span>
    </li>
  );
}

/** The side of a square and the gap between two, in px. */
const SQUARE_PX = 14;
const GAP_PX = 3;
const SQUARES_PER_ROW = 25;

interface SquaresProps {
  readonly tiles: readonly Tile[];
  readonly reached: (tile: Tile) => boolean;
  /** The time after which the last instance denied, in ms. */
  readonly longestMs: number;
}

/** Squares without text, 25 in a row: the later an instance denied, the paler. The table below has the same as text. */
function Squares({ tiles, reached, longestMs }: SquaresProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = Math.min(SQUARES_PER_ROW, tiles.length) * (SQUARE_PX + GAP_PX);
  const height = Math.ceil(tiles.length / SQUARES_PER_ROW) * (SQUARE_PX + GAP_PX);
  const colors = useRef<SquareColors | undefined>(undefined);
  const draw = () => {
    if (canvas.current === null) return;
    colors.current ??= colorsOf(canvas.current);
    drawSquares(canvas.current, { tiles, reached, longestMs }, colors.current);
  };
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(draw);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => {
      colors.current = undefined;
      latest.current();
    };
    dark.addEventListener('change', changed);
    return () => dark.removeEventListener('change', changed);
  }, []);
  return (
    <canvas
      ref={canvas}
      width={width * 2}
      height={height * 2}
      style={{ width: `${width}px` }}
      role="img"
      aria-label={`${tiles.filter(reached).length} of ${tiles.length} deny it; the table below has each`}
    />
  );
}

type SquareColors = Readonly<Record<'good' | 'bad' | 'warn' | 'line', string>>;

/** Reading a colour lays the page out: it is done once for each theme. */
const colorsOf = (canvas: HTMLCanvasElement): SquareColors => ({
  good: colorOf(canvas, '--mark-good'),
  bad: colorOf(canvas, '--mark-bad'),
  warn: colorOf(canvas, '--mark-warn'),
  line: colorOf(canvas, '--mark-line'),
});

function drawSquares(
  canvas: HTMLCanvasElement,
  { tiles, reached, longestMs }: SquaresProps,
  { good, bad, warn, line }: SquareColors,
): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.setTransform(2, 0, 0, 2, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = 1.5;
  tiles.forEach((tile, index) => {
    const x = (index % SQUARES_PER_ROW) * (SQUARE_PX + GAP_PX) + 1;
    const y = Math.floor(index / SQUARES_PER_ROW) * (SQUARE_PX + GAP_PX) + 1;
    const isBad = tile.state === 'lost' || tile.reach === 'missing';
    context.strokeStyle = isBad ? bad : tile.state === 'behind' ? warn : reached(tile) ? good : line;
    context.fillStyle = isBad ? bad : tile.state === 'behind' ? warn : good;
    context.setLineDash(tile.state === 'left' ? [2, 2] : []);
    if (reached(tile) && tile.state === 'live') {
      context.globalAlpha = 1 - 0.65 * (Math.log1p(tile.ms ?? 0) / Math.log1p(longestMs));
      context.fillRect(x, y, SQUARE_PX - 1, SQUARE_PX - 1);
      context.globalAlpha = 1;
    } else if (tile.state === 'behind') context.fillRect(x, y, SQUARE_PX / 2, SQUARE_PX - 1);
    context.strokeRect(x + 0.5, y + 0.5, SQUARE_PX - 2, SQUARE_PX - 2);
    if (tile.state === 'lost' || tile.state === 'unknown') {
      context.beginPath();
      context.moveTo(x + 3, y + 3);
      context.lineTo(x + SQUARE_PX - 4, y + SQUARE_PX - 4);
      if (tile.state === 'lost') {
        context.moveTo(x + SQUARE_PX - 4, y + 3);
        context.lineTo(x + 3, y + SQUARE_PX - 4);
      }
      context.stroke();
    }
  });
}
