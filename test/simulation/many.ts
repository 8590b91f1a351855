import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { run } from './model/world.ts';

/** Seeds that one thread runs at a time. */
const PORTION = 500;

type Failure = readonly [seed: number, error: string];

/**
 * Runs many seeds on all cores: `node test/simulation/many.ts <count> [first]`. Prints the seeds that failed and how many ran;
 * its exit code is 1 when one failed.
 */
async function runMany(count: number, first: number): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const end = first + count;
  let next = first;
  let done = 0;
  const runThread = async () => {
    const worker = new Worker(import.meta.filename, { workerData: 'seeds' });
    const { promise: broken, reject } = Promise.withResolvers<never>();
    worker.on('error', reject);
    try {
      while (next < end) {
        const from = next;
        const to = Math.min(end, from + PORTION);
        next = to;
        const answered = new Promise<readonly Failure[]>((resolve) => worker.once('message', resolve));
        worker.postMessage([from, to]);
        const failed = await Promise.race([answered, broken]);
        for (const [seed, error] of failed) console.error(`seed ${seed}: ${error}`);
        failures.push(...failed);
        done += to - from;
        console.error(`${done} of ${count}`);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runThread));
  return failures;
}

function runPortion([from, to]: readonly [number, number]): Failure[] {
  const failures: Failure[] = [];
  for (let seed = from; seed < to; seed += 1) {
    try {
      run(seed);
    } catch (error) {
      failures.push([seed, error instanceof Error ? error.message : String(error)]);
    }
  }
  return failures;
}

if (!isMainThread && workerData === 'seeds') {
  parentPort?.on('message', (portion: readonly [number, number]) => parentPort?.postMessage(runPortion(portion)));
} else if (import.meta.main) {
  const [count, first] = [Number(process.argv[2] ?? 4_000), Number(process.argv[3] ?? 1)];
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(first) || first < 0) {
    throw new TypeError('node test/simulation/many.ts <count> [first]: both are whole numbers, count at least 1');
  }
  const failures = await runMany(count, first);
  console.log(`${count} seeds from ${first}: ${failures.length} failed`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
