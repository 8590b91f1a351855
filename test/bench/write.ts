import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Finished } from './case.ts';
import { isMet, spell } from './case.ts';
import { machine } from './machine.ts';
import { toSvg } from './plot.ts';
import { round, toJson } from './report.ts';
import { toRivalsSvg } from './rivals-plot.ts';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const BEGIN = '<!-- results: written by npm run bench -- --write -->';
const END = '<!-- end of results -->';

/** Writes docs/benchmarks/<date>.json and .svg, docs/benchmarks/rivals.svg, and the tables of docs/performance.md, whose other text stays. */
export function writeResults(finished: readonly Finished[], at: Date): void {
  const date = at.toISOString().slice(0, 10);
  mkdirSync(`${docs}benchmarks`, { recursive: true });
  const results = { at: at.toISOString(), machine: machine(), cases: finished.map(toJson) };
  writeFileSync(`${docs}benchmarks/${date}.json`, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(`${docs}benchmarks/${date}.svg`, toSvg(finished));
  // README.md shows it, so its name stays.
  writeFileSync(`${docs}benchmarks/rivals.svg`, toRivalsSvg(results.cases));
  const page = readFileSync(`${docs}performance.md`, 'utf8');
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error('docs/performance.md has lost the marks of its results');
  writeFileSync(`${docs}performance.md`, `${before}${BEGIN}\n\n${toMarkdown(finished, date)}\n${END}${after}`);
}

function toMarkdown(finished: readonly Finished[], date: string): string {
  const { cpu, cores, memoryGiB, system, node } = machine();
  const lines = [
    `${date}: ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}${finished.some(({ quick }) => quick) ? ', a quick look' : ''}.`,
    `[Every figure](benchmarks/${date}.json)`,
    '',
    '![Each contestant of a case on one axis](benchmarks/rivals.svg)',
    '',
    `![How far from its bar each promise came](benchmarks/${date}.svg)`,
    '',
    '| | what | figure | bar | |',
    '|---|---|---|---|---|',
    ...finished.flatMap(({ id, what, bars }) =>
      bars.map(
        (bar) =>
          `| ${id} | ${what}: ${bar.what} | ${round(bar.figure)} | ${spell(bar)} | ${isMet(bar) ? 'met' : '**missed**'} |`,
      ),
    ),
    '',
    '| | measured | median | min – max |',
    '|---|---|---|---|',
    ...finished.flatMap(({ id, measured }) =>
      measured.map(
        ({ name, median, min, max, unit }) =>
          `| ${id} | ${name} | ${round(median)} ${unit} | ${round(min)} – ${round(max)} |`,
      ),
    ),
    '',
  ];
  return lines.join('\n');
}
