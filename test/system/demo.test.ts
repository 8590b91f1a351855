import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

interface DemoResult {
  readonly log: string;
  readonly broker: string | null;
  readonly instances: number;
  readonly steps: readonly { readonly name: string; readonly ok: boolean; readonly ms?: number }[];
  readonly revokedToDenied: { readonly p50Ms: number; readonly maxMs: number; readonly samples: number };
}

const demo = (...args: string[]) =>
  spawnSync('npm', ['run', '--silent', 'demo', '--', ...args], { encoding: 'utf8', timeout: 110_000 });

it.each([
  { args: ['--once', '--json'], log: 'embedded' },
  { args: ['--once', '--json', '--kafka'], log: 'kafka' },
])('npm run demo -- $args prints one JSON object, and every step succeeds', ({ args, log }) => {
  const { status, stdout, stderr } = demo(...args);
  const result = JSON.parse(stdout) as DemoResult;
  expect(
    result.steps.filter((step) => !step.ok),
    stderr,
  ).toEqual([]);
  expect(status).toBe(0);
  expect(result.log).toBe(log);
  expect(result.broker === null).toBe(log === 'embedded');
  expect(result.instances).toBe(4);
  expect(result.revokedToDenied.samples).toBe(84);
  expect(result.revokedToDenied.p50Ms).toBeGreaterThan(0);
});

it('the demo refuses an unknown option', () => {
  const { status, stderr } = demo('--speed');
  expect(status).toBe(2);
  expect(stderr).toMatch(/usage: npm run demo/);
});
