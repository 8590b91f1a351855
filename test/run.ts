import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { findChromium } from './support/chromium.ts';

interface TestFile {
  readonly name: string;
  readonly status: string;
  /** Why the file could not be loaded, or a hook of it failed; otherwise empty. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName: string;
    readonly failureMessages: readonly string[];
  }[];
}

interface Report {
  readonly testResults: readonly TestFile[];
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** `npm test`: every test that needs minutes at most; those in a browser where there is a Chromium. */
const SHORT = [
  'unit',
  'simulation',
  'integration',
  'system',
  ...(findChromium() === undefined ? [] : ['browser-short']),
];
/** What `npm run test:ci` runs after those, each suite by itself, in at most 45 minutes together. */
const LONG = [['faults'], ['install'], ['browser'], ['site']];
const LONG_MINUTES = 45;

const args = process.argv.slice(2);
const withLong = args.includes('--long');
const passedOn = args.filter((arg) => arg !== '--long');

/** Each test that failed, of all suites, and why: the output of the first suite is far above the last line. */
const failedTests: string[] = [];
/** Of each reason. */
const REASON_LINES = 12;

const directory = mkdtempSync(join(tmpdir(), 'rescind-report-'));
try {
  const counts = [runChecks(), runSuite(SHORT)];
  const end = Date.now() + LONG_MINUTES * 60_000;
  if (withLong) for (const projects of LONG) counts.push(runSuite(projects, end - Date.now()));
  for (const name of failedTests) console.log(`failed: ${name}`);
  const sum = (member: keyof Counts) => counts.reduce((total, count) => total + count[member], 0);
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** `npm run check`. A failure counts as one failed test. */
function runChecks(): Counts {
  const { status } = spawnSync(process.execPath, ['test/check/main.ts'], { stdio: 'inherit' });
  if (status !== 0) console.error('`npm run check` failed: it counts as one failed test');
  return { passed: 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

/**
 * Runs vitest projects and reads the counts from the runner's own report.
 * @param timeout milliseconds; a suite that takes longer is ended and counts as one failed test more
 */
function runSuite(projects: readonly string[], timeout?: number): Counts {
  const reportFile = join(directory, `${projects.join('-')}.json`);
  const { status } = spawnSync(
    'vitest',
    [
      'run',
      ...projects.flatMap((project) => ['--project', project]),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...passedOn,
    ],
    { stdio: 'inherit', ...(timeout === undefined ? {} : { timeout: Math.max(1, timeout) }) },
  );
  const report = readReport(reportFile);
  if (report === null) {
    console.error(`no report of ${projects.join(', ')}: it counts as one failed test`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  for (const { name, status: outcome, message, assertionResults } of report.testResults) {
    const file = relative(process.cwd(), name);
    const failed = assertionResults.filter(({ status: result }) => result === 'failed');
    for (const { fullName, failureMessages } of failed)
      failedTests.push(withReason(`${file}: ${fullName}`, failureMessages.join('\n')));
    if (outcome === 'failed' && failed.length === 0) failedTests.push(withReason(file, message));
  }
  return {
    passed: report.numPassedTests,
    // A file that could not be loaded has no failed test of its own, and must not look like a success.
    failed: Math.max(report.numFailedTests, status === 0 ? 0 : 1),
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

function withReason(what: string, why: string): string {
  const lines = why
    .trim()
    .split('\n')
    .filter((line) => !/^\s+at (new Promise|.*node_modules)/.test(line));
  return [what, ...lines.slice(0, REASON_LINES).map((line) => `  ${line}`)].join('\n');
}

function readReport(file: string): Report | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return null;
  }
}
