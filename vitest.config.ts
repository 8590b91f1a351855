import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Of the workers, and of the processes that they start. A process of this repository starts in half the CPU time with it.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/rescind-compile', import.meta.url));

const project = (name: string, include: string[], options: object = {}) => ({
  test: { name, include, ...options },
});

/** One Kafka for the whole run, started when a test first asks for it. */
const kafka = { globalSetup: ['test/support/kafka-for-all.ts'] };

/** Of the other projects: with these `npm test` would take longer than 15 minutes on two cores. */
const LONG = [
  ...[
    ...['damaged-denylist', 'full-disk', 'guard-policies', 'honest-readiness', 'issuer-clock-ahead'],
    ...['issuer-clock-apart', 'kafka-down', 'administrator', 'broadcast'],
    ...['issuer-clock-set', 'key-rotation', 'receipts', 'restart', 'restored-issuer', 'stolen-event-key'],
    ...['traces', 'view-age', 'without-kafka'],
  ].map((name) => `test/system/${name}.test.ts`),
  ...['catch-up', 'damage', 'disk', 'mutants'].map((name) => `test/integration/denylist/${name}.test.ts`),
  ...[
    ...['cli/doctor', 'dev-kafka/broker', 'feed-kafka/broker-down', 'feed-kafka/secure'],
    ...['user-management/recovery', 'user-management/reload'],
  ].map((name) => `test/integration/${name}.test.ts`),
];

/** What `npm run test:faults` has besides the project `faults`: `npm run test:ci` has 45 minutes for all its long suites. */
const LONGEST = ['event-key-away', 'issuer-disk', 'suspended'].map((name) => `test/faults/${name}.test.ts`);

/** Of the project `browser`, what `npm test` has too where there is a Chromium. */
const SHORT_IN_BROWSER = ['test/browser/page.test.ts'];

/** Builds the documentation site, and visits each page of it: three minutes. `npm run test:site`. */
const SITE = 'test/browser/site.test.ts';

/** Each file by itself, after all others: they start fleets of processes. */
const alone = { fileParallelism: false, sequence: { groupOrder: 1 } };

const browser = { ...alone, testTimeout: 120_000, hookTimeout: 120_000 };

const faults = { ...kafka, ...alone, testTimeout: 600_000, hookTimeout: 300_000 };

// Times out late: the machines are slow and noisy, and every wait in a test has a deadline of its own.
export default defineConfig({
  test: {
    // Vitest leaves one core free, which of two is half; most of these tests wait for a disk, a socket or a broker.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      project('unit', ['test/unit/**/*.test.ts'], { testTimeout: 30_000 }),
      project('simulation', ['test/simulation/**/*.test.ts'], { testTimeout: 300_000 }),
      project('integration', ['test/integration/**/*.test.ts'], {
        ...kafka,
        exclude: LONG,
        testTimeout: 60_000,
        hookTimeout: 120_000,
      }),
      project('system', ['test/system/**/*.test.ts'], {
        ...kafka,
        exclude: LONG,
        testTimeout: 120_000,
        hookTimeout: 180_000,
        ...alone,
      }),
      project('docker', ['test/docker/**/*.test.ts'], {
        testTimeout: 600_000,
        hookTimeout: 600_000,
        ...alone,
      }),
      project('gate', ['test/gate/**/*.test.ts'], { testTimeout: 120_000, ...alone }),
      project('redis', ['test/redis/**/*.test.ts'], { testTimeout: 120_000, ...alone }),
      project('browser', ['test/browser/**/*.test.ts'], { ...browser, exclude: [SITE] }),
      project('browser-short', SHORT_IN_BROWSER, browser),
      project('site', [SITE], { ...alone, testTimeout: 900_000, hookTimeout: 900_000 }),
      project('readers', ['test/readers/**/*.test.ts'], { testTimeout: 90_000 }),
      project('install', ['test/install/**/*.test.ts'], { testTimeout: 600_000, hookTimeout: 600_000, ...alone }),
      project('upgrade', ['test/upgrade/**/*.test.ts'], {
        globalSetup: [...kafka.globalSetup, 'test/upgrade/previous-version.ts'],
        testTimeout: 600_000,
        hookTimeout: 300_000,
        ...alone,
      }),
      project('faults', ['test/faults/**/*.test.ts', ...LONG], { ...faults, exclude: LONGEST }),
      project('faults-longest', LONGEST, faults),
    ],
  },
});
