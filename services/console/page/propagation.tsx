import { Card } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { useLive } from './live.ts';
import { Ago, Rows } from './parts.tsx';
import { clockText, colorOf, dateText, msText } from './text.ts';

/** How many of the newest revocations the table has. */
const ROWS = 20;
const HEIGHT_PX = 220;

/** How long revocations took to reach the instances over time, drawn by uPlot; the same numbers as a table. */
export function PropagationChart() {
  const { propagation } = useLive();
  const [isTable, setTable] = useState(false);
  if (propagation.length < 2) return null;
  return (
    <Card
      title="Propagation"
      about="From the commit of each revocation until its instances denied it: p50, p95 and p99 of them."
      actions={
        <button type="button" class="small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
          {isTable ? 'Show the chart' : 'Show as a table'}
        </button>
      }
    >
      {isTable ? <Table /> : <Chart />}
    </Card>
  );
}

function Chart() {
  const { propagation } = useLive();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const data: uPlot.AlignedData = [
    propagation.map(({ at }) => at / 1_000),
    propagation.map(({ p50 }) => p50),
    propagation.map(({ p95 }) => p95),
    propagation.map(({ p99 }) => p99),
  ];
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const draw = () => {
      chart.current?.destroy();
      chart.current = new uPlot(optionsOf(element), latest.current, element);
    };
    draw();
    const observer = new ResizeObserver(() =>
      chart.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    // A canvas does not follow the style sheet.
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      observer.disconnect();
      dark.removeEventListener('change', draw);
      chart.current?.destroy();
    };
  }, []);
  useEffect(() => chart.current?.setData(data), [propagation]);
  const last = propagation.at(-1);
  return (
    <>
      <ul class="legend">
        {(['p50', 'p95', 'p99'] as const).map((name) => (
          <li key={name} class={name}>
            {name} <strong>{msText(last?.[name] ?? null)}</strong>
          </li>
        ))}
      </ul>
      <div
        ref={box}
        class="plot"
        role="img"
        aria-label={`${propagation.length} revocations; the button shows them as a table`}
      />
    </>
  );
}

/** A mark of the axis, in s since 1970: its time, unless the one before has the same, and its date where another day begins. */
function momentText(at: number, index: number, all: readonly number[]): string {
  const [time, date] = [clockText(at * 1_000), dateText(at * 1_000)];
  const before = (all[index - 1] ?? Number.NaN) * 1_000;
  if (Number.isNaN(before) || dateText(before) !== date) return `${time}\n${date}`;
  return clockText(before) === time ? '' : time;
}

function optionsOf(element: HTMLElement): uPlot.Options {
  const color = (name: string) => colorOf(element, name);
  const axis = {
    stroke: color('--plot-text'),
    grid: { stroke: color('--plot-grid'), width: 1 },
    ticks: { stroke: color('--plot-grid'), width: 1 },
    font: '12px ui-sans-serif, system-ui, sans-serif',
  };
  const series = (label: string, stroke: string, dash?: number[]): uPlot.Series => ({
    ...{ label, stroke, width: 1, points: { show: true, size: 4, stroke, fill: stroke } },
    ...(dash && { dash }),
  });
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { y: { distr: 3 } },
    axes: [
      { ...axis, space: 64, values: (_plot, times) => times.map(momentText) },
      { ...axis, size: 64, values: (_plot, values) => values.map((ms) => (ms === null ? '' : msText(ms))) },
    ],
    series: [
      {},
      series('p50', color('--plot-p50')),
      series('p95', color('--plot-p95'), [6, 3]),
      series('p99', color('--plot-p99'), [2, 3]),
    ],
  };
}

function Table() {
  const { propagation } = useLive();
  return (
    <Rows
      columns={[
        'Committed',
        { name: 'p50', as: 'number' },
        { name: 'p95', as: 'number' },
        { name: 'p99', as: 'number' },
        { name: 'Denied on', as: 'number' },
      ]}
    >
      {propagation
        .slice(-ROWS)
        .toReversed()
        .map(({ at, p50, p95, p99, of, reached }) => (
          <tr key={`${at}-${p50}`}>
            <td data-label="Committed" class="main">
              <Ago at={at} />
            </td>
            <td data-label="p50" class="number">
              {msText(p50)}
            </td>
            <td data-label="p95" class="number">
              {msText(p95)}
            </td>
            <td data-label="p99" class="number">
              {msText(p99)}
            </td>
            <td data-label="Denied on" class="number">
              {reached} of {of}
            </td>
          </tr>
        ))}
    </Rows>
  );
}
