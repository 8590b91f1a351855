import { INVARIANTS } from './oracle.ts';
import type { RunResult } from './run.ts';

/** The report of a run for people. */
export function toMarkdown(result: RunResult): string {
  const { seed, brokers, instances, minutes, kills, answers, rounds, violations, errors, uncovered } = result;
  const settled = rounds.flatMap(({ settled }) => ('ms' in settled ? [settled.ms] : []));
  const coverage = uncovered.length === 0 ? 'green' : `red: ${uncovered.join(', ')}`;
  return [
    `# Chaos: seed ${seed}, ${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`,
    `- ${minutes.toFixed(1)} minutes, ${rounds.length} storms, ${kills} kills, ${answers} answers judged; the issuer and ${instances} instances; Node ${process.version}, ${process.platform}`,
    `- safety: ${result.safety} (${violations.length} violations, ${errors.length} errors of the driver)`,
    `- liveness: ${result.liveness} (settled in ${figures(settled)})`,
    `- coverage: ${coverage}`,
    '## Faults',
    table(
      ['fault', 'injected', 'with an effect', 'effects'],
      Object.entries(result.faults).map(([kind, { injected, effective, effects }]) => [
        kind,
        injected,
        effective,
        effects,
      ]),
    ),
    '## Operations',
    table(
      ['operation', 'ok', 'refused', 'unknown'],
      Object.entries(result.operations).map(([name, { ok, refused, unknown }]) => [name, ok, refused, unknown]),
    ),
    '## From the acknowledgement of a revocation to the first refusal at each instance, ms',
    table(
      ['while', 'refusals', 'p50', 'p99', 'worst'],
      Object.entries(result.latencies)
        .sort(([one], [other]) => one.localeCompare(other))
        .map(([kind, all]) => [kind, all.length, percentile(all, 0.5), percentile(all, 0.99), percentile(all, 1)]),
    ),
    '## States',
    table(['state', 'seen'], Object.entries(result.states)),
    '## Invariants',
    table(
      ['invariant', 'what holds', 'violations'],
      Object.entries(INVARIANTS).map(([name, text]) => [
        name,
        text,
        violations.filter(({ invariant }) => invariant === name).length,
      ]),
    ),
    '## Storms',
    table(
      ['storm', 'at, s', 'kills', 'settled, ms', 'violations'],
      rounds.map(({ round, startedAt, kills: killed, settled: end, unexpected, violations: found }) => [
        round,
        Math.round(startedAt / 1_000),
        killed,
        'ms' in end ? Math.round(end.ms) : end.missing,
        [...found.map(({ invariant, detail }) => `${invariant}: ${detail}`), ...unexpected].slice(0, 5).join('; ') || 0,
      ]),
    ),
    '',
  ].join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const figures = (all: readonly number[]) =>
  `p50 ${percentile(all, 0.5)} ms, p99 ${percentile(all, 0.99)} ms, worst ${percentile(all, 1)} ms`;

/** The value that this share of the values does not exceed. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN);
}
