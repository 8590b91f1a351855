import { createSlots } from '@rescind/user-management';
import { expect, test } from 'vitest';

test('security 49: so many hashes at once and no more, so many wait, and the rest are told to come again', async () => {
  const slots = createSlots(2, 100);
  let [running, most] = [0, 0];
  const hash = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  const answers = await Promise.allSettled(Array.from({ length: 200 }, () => slots(hash)));
  expect(most).toBe(2);
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(102);
  expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'busy' } });
});

test('what fails gives its place back', async () => {
  const slots = createSlots(1, 10);
  await expect(slots(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await slots(async () => 'yes')).toBe('yes');
});
