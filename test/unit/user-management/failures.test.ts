import { createManualClock, RescindError } from '@rescind/revocation';
import { createFailureLimit } from '@rescind/user-management';
import { expect, test } from 'vitest';

const right = async () => 'in';
const wrong = () => Promise.reject(new RescindError('credentials_wrong'));
const codeOf = (error: unknown) => (error instanceof RescindError ? error.code : error);

function start(limit: number) {
  const clock = createManualClock(0);
  const failures = createFailureLimit({ limit, windowMs: 60_000, clock });
  const attempt = (key: string, work: () => Promise<string>) => failures.attempt(key, work).catch(codeOf);
  return { clock, attempt, failures };
}

test('so many failures, then not even the right password', async () => {
  const { attempt } = start(3);
  for (let index = 0; index < 3; index++) expect(await attempt('ada', wrong)).toBe('credentials_wrong');
  expect(await attempt('ada', right)).toBe('rate_limited');
  expect(await attempt('bob', right)).toBe('in');
});

test('successes do not count, and do not forgive', async () => {
  const { attempt } = start(2);
  await attempt('ada', wrong);
  for (let index = 0; index < 10; index++) expect(await attempt('ada', right)).toBe('in');
  await attempt('ada', wrong);
  expect(await attempt('ada', right)).toBe('rate_limited');
});

test('it says when to come again, and then it is forgotten', async () => {
  const { attempt, failures, clock } = start(1);
  await attempt('ada', wrong);
  clock.advance(45_000);
  await expect(failures.attempt('ada', right)).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 15 });
  clock.advance(15_000);
  expect(await attempt('ada', right)).toBe('in');
});

test('a hundred guesses at once are as many as one after another', async () => {
  const { attempt } = start(5);
  const answers = await Promise.all(Array.from({ length: 100 }, () => attempt('ada', wrong)));
  expect(answers.filter((answer) => answer === 'credentials_wrong')).toHaveLength(5);
  expect(answers.filter((answer) => answer === 'rate_limited')).toHaveLength(95);
});

test('a hundred right ones at once wait for one another and succeed', async () => {
  const { attempt } = start(5);
  let [running, most] = [0, 0];
  const slow = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return 'in';
  };
  const answers = await Promise.all(Array.from({ length: 100 }, () => attempt('ada', slow)));
  expect(answers).toEqual(Array(100).fill('in'));
  expect(most).toBe(5);
});

test('what fails for another reason is no guess', async () => {
  const { attempt } = start(1);
  const busy = () => Promise.reject(new RescindError('busy'));
  expect(await attempt('ada', busy)).toBe('busy');
  expect(await attempt('ada', right)).toBe('in');
});

test('counts what it is told to count', async () => {
  const clock = createManualClock(0);
  const codes = createFailureLimit({ limit: 1, windowMs: 60_000, clock, counts: ['second_factor_wrong'] });
  const fail = (code: 'credentials_wrong' | 'second_factor_wrong') =>
    codes.attempt('ada', () => Promise.reject(new RescindError(code))).catch(codeOf);
  expect(await fail('credentials_wrong')).toBe('credentials_wrong');
  expect(await fail('second_factor_wrong')).toBe('second_factor_wrong');
  expect(await fail('second_factor_wrong')).toBe('rate_limited');
});
