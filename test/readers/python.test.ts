import { spawnSync } from 'node:child_process';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Verdict } from '@rescind/revocation/judge';
import { judge } from '@rescind/revocation/judge';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { follow } from './follow.ts';
import { malformedLogs } from './malformed.ts';
import { AT, LOG } from './signed-log.ts';
import type { TokenVector } from './vector.ts';
import { VECTORS } from './vector.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/reader-python');

/** Runs check_vectors.py. @throws Error when there is no Python */
function check(files: readonly string[]): { status: number | null; output: string } {
  const args = ['-B', join(EXAMPLE, 'check_vectors.py'), ...files];
  const { error, status, stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8', timeout: 60_000 });
  if (error !== undefined) throw new Error('install Python 3.8 or later, so that `python3` runs', { cause: error });
  return { status, output: stdout + stderr };
}

const TOKENS = ['s1', 's2', 's3'].map((sid) => ({ kid: 'k', payload: { iss: LOG, iat: Math.floor(AT / 1000), sid } }));

function verdictOf(verdict: Verdict): Pick<TokenVector, 'denied' | 'by' | 'endsSession'> {
  if (!verdict.denied) return { denied: false, by: null };
  if (verdict.reason === 'unjudgeable') return { denied: true, by: { unjudgeable: verdict.claim } };
  const { iss, claim, value } = verdict.cutoff;
  return { denied: true, by: { iss, claim, value }, endsSession: verdict.endsSession };
}

it('the reader in Python passes every vector', () => {
  const files = globSync('*.json', { cwd: VECTORS }).map((name) => join(VECTORS, name));
  const { status, output } = check(files);
  expect(status, output).toBe(0);
  expect(output.match(/^ok /gm)).toHaveLength(files.length);
});

it('the reader in Python concludes from malformed records what our own reader does', () => {
  const directory = temporaryDirectory();
  const logs = malformedLogs();
  const files = logs.map((log, index) => {
    const { view, find } = follow(log);
    const { seq, head, ...compared } = view;
    // After a fork this reader stays where it is; ours begins anew.
    const expected = view.suspect === 'fork' ? compared : { ...compared, seq, head };
    const tokens = TOKENS.map((token) => ({ ...token, ...verdictOf(judge(token, find)) }));
    const file = join(directory, `${index}.json`);
    writeFileSync(file, JSON.stringify({ ...log, expected, tokens }));
    return file;
  });
  expect(files.length).toBeGreaterThan(200);
  const { status, output } = check(files);
  expect(status, output.replaceAll(/^ok .*\n/gm, '')).toBe(0);
});
