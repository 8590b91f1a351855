import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The directory of the version before, with its dependencies. */
    previousVersion: string;
  }
}

/** The last commit of the version before. */
const COMMIT = '9e90659bce096b9d1fc9ae3c4c54665ce8096539';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Unpacks the version before from the history of this repository into a temporary folder, and installs its own dependencies.
 * @throws Error that says what is missing: git, the history, or the registry
 */
export default function setup(project: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'rescind-previous-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    run('git', ['cat-file', '-e', `${COMMIT}^{commit}`], ROOT, missingHistory);
    const archive = join(directory, 'archive.tar');
    run('git', ['archive', '--output', archive, COMMIT], ROOT);
    run('tar', ['-xf', archive, '-C', directory], ROOT);
    run(
      'npm',
      ['ci', '--no-audit', '--no-fund'],
      directory,
      () => 'its dependencies cannot be installed: is a registry reachable?',
    );
  } catch (error) {
    remove();
    throw error;
  }
  project.provide('previousVersion', directory);
  return remove;
}

const missingHistory = () =>
  `the commit ${COMMIT}, the version before, is not in this clone: it has no history (\`git fetch --unshallow\`) or is no clone`;

function run(command: string, parameters: readonly string[], cwd: string, explain = () => ''): void {
  const { status, stderr, error } = spawnSync(command, parameters, { cwd, encoding: 'utf8' });
  if (status === 0) return;
  const cause = error?.message ?? stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`npm run test:upgrade: ${explain()}\n${command} ${parameters.join(' ')}: ${cause}`);
}
