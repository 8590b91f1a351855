import { createSemaphore } from '@rescind/accounts';
import { expect, test } from 'vitest';

test('security 49: so many hashes at once and no more, so many wait, and the rest are told to come again', async () => {
  const semaphore = createSemaphore(2, 100);
  let [running, most] = [0, 0];
  const hash = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  const answers = await Promise.allSettled(Array.from({ length: 200 }, () => semaphore(hash)));
  expect(most).toBe(2);
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(102);
  expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'busy' } });
});

test('what fails gives its place back', async () => {
  const semaphore = createSemaphore(1, 10);
  await expect(semaphore(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await semaphore(async () => 'yes')).toBe('yes');
});

/** Work that ends when it is told to, and what is running. */
function heldWork() {
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => async () => {
    running.push(name);
    await new Promise<void>((resolve) => ends.set(name, resolve));
    running.splice(running.indexOf(name), 1);
    return name;
  };
  return { running, work, end: (name: string) => ends.get(name)?.() };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a place that is free is handed to the one who has waited longest, and to that one alone', async () => {
  const semaphore = createSemaphore(1, 10);
  const { running, work, end } = heldWork();
  const all = ['first', 'second', 'third'].map((name) => semaphore(work(name)));
  await settled();
  expect(running).toEqual(['first']);
  end('first');
  await settled();
  expect(running).toEqual(['second']);
  end('second');
  await settled();
  expect(running).toEqual(['third']);
  end('third');
  expect(await Promise.all(all)).toEqual(['first', 'second', 'third']);
});

test('places that nobody waits for are given back: as many run at once as before, and no more', async () => {
  const semaphore = createSemaphore(2, 10);
  for (let round = 0; round < 3; round++) {
    const { running, work, end } = heldWork();
    const names = ['a', 'b', 'c', 'd'];
    const all = names.map((name) => semaphore(work(name)));
    await settled();
    expect([round, running]).toEqual([round, ['a', 'b']]);
    for (const name of names) {
      end(name);
      await settled();
      expect(running.length).toBeLessThanOrEqual(2);
    }
    await Promise.all(all);
    expect(running).toEqual([]);
  }
});

test('as many wait as may, not one more, and a place in the queue is given back too', async () => {
  const semaphore = createSemaphore(1, 1);
  const { running, work, end } = heldWork();
  for (let round = 0; round < 2; round++) {
    const [first, second] = [semaphore(work('first')), semaphore(work('second'))];
    await expect(semaphore(work('third'))).rejects.toMatchObject({ code: 'busy' });
    await settled();
    end('first');
    await first;
    await settled();
    expect(running).toEqual(['second']);
    end('second');
    await second;
  }
});

test('what fails hands its place on', async () => {
  const semaphore = createSemaphore(1, 10);
  const failing = semaphore(() => Promise.reject(new Error('no')));
  const waiting = semaphore(async () => 'yes');
  await expect(failing).rejects.toThrow('no');
  expect(await waiting).toBe('yes');
});
