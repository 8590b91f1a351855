import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

interface Told {
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
])('npm run demo -- $args tells one JSON object, and every step held', ({ args, log }) => {
  const { status, stdout, stderr } = demo(...args);
  const told = JSON.parse(stdout) as Told;
  expect(
    told.steps.filter((step) => !step.ok),
    stderr,
  ).toEqual([]);
  expect(status).toBe(0);
  expect(told.log).toBe(log);
  expect(told.broker === null).toBe(log === 'embedded');
  expect(told.instances).toBe(4);
  expect(told.revokedToDenied.samples).toBe(84);
  expect(told.revokedToDenied.p50Ms).toBeGreaterThan(0);
});

it('refuses an option it does not know', () => {
  const { status, stderr } = demo('--speed');
  expect(status).toBe(2);
  expect(stderr).toMatch(/usage: npm run demo/);
});
