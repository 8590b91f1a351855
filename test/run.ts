import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
}

/** `npm test`: the checks, then every test that needs minutes at most. The last line counts what the runner reported. */
const PROJECTS = ['unit', 'simulation', 'integration', 'system'];

const directory = mkdtempSync(join(tmpdir(), 'rescind-report-'));
const reportFile = join(directory, 'report.json');
try {
  const checks = spawnSync(process.execPath, ['test/check/main.ts'], { stdio: 'inherit' });
  const tests = spawnSync(
    'vitest',
    [
      'run',
      ...PROJECTS.flatMap((project) => ['--project', project]),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...process.argv.slice(2),
    ],
    { stdio: 'inherit' },
  );
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  const skipped = report.numPendingTests + report.numTodoTests;
  // A file that could not even be loaded has no failed test of its own, and must not look like a success.
  const failed = Math.max(report.numFailedTests, tests.status === 0 ? 0 : 1) + (checks.status === 0 ? 0 : 1);
  if (checks.status !== 0) console.error('`npm run check` failed: it counts as one failed test');
  console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed === 0 && report.numPassedTests > 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
