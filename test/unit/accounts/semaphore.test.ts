import { createSemaphore } from '@rescind/accounts';
import { expect, test } from 'vitest';

test('security 49: runs the permitted number of hashes at once, lets the permitted number wait, and refuses the others', async () => {
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

test('runs other work after work that failed', async () => {
  const semaphore = createSemaphore(1, 10);
  await expect(semaphore(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await semaphore(async () => 'yes')).toBe('yes');
});

/** Work that ends on demand, and the names of running work. */
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

test('runs the work that has waited longest next, and no other', async () => {
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

test('runs the permitted number at once again after all work has ended', async () => {
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

test('refuses work beyond the queue, and accepts it after the queue was shortened', async () => {
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

test('runs waiting work after work that failed', async () => {
  const semaphore = createSemaphore(1, 10);
  const failing = semaphore(() => Promise.reject(new Error('no')));
  const waiting = semaphore(async () => 'yes');
  await expect(failing).rejects.toThrow('no');
  expect(await waiting).toBe('yes');
});
