import { createManualClock, RescindError } from '@rescind/revocation';
import { createFailureLimit } from '@rescind/user-management';
import { describe, expect, test } from 'vitest';

const right = async () => 'in';
const wrong = () => Promise.reject(new RescindError('credentials_wrong'));
const codeOf = (error: unknown) => (error instanceof RescindError ? error.code : error);

function start(limit: number) {
  const clock = createManualClock(0);
  const failures = createFailureLimit({ limit, windowMs: 60_000, clock });
  const attempt = (key: string, work: () => Promise<string>) => failures.attempt(key, work).catch(codeOf);
  return { clock, attempt, failures };
}

test('refuses also the right password after the permitted failures', async () => {
  const { attempt } = start(3);
  for (let index = 0; index < 3; index++) expect(await attempt('ada', wrong)).toBe('credentials_wrong');
  expect(await attempt('ada', right)).toBe('rate_limited');
  expect(await attempt('bob', right)).toBe('in');
});

test('resets the failures of a key by its success, and of no other key', async () => {
  const { attempt } = start(2);
  for (const key of ['ada from home', 'bob from home']) await attempt(key, wrong);
  expect(await attempt('ada from home', right)).toBe('in');
  await attempt('ada from home', wrong);
  expect(await attempt('ada from home', right)).toBe('in');
  await attempt('bob from home', wrong);
  expect(await attempt('bob from home', right)).toBe('rate_limited');
});

test('refuses an unguessable credential beyond the limit only if it is wrong', async () => {
  const { failures, attempt } = start(2);
  const show = (work: () => Promise<string>) =>
    failures.attempt('ada', work, { isUnguessable: true }).catch((error: unknown) => codeOf(error));
  expect(await show(wrong)).toBe('credentials_wrong');
  expect(await show(wrong)).toBe('credentials_wrong');
  expect(await show(wrong)).toBe('rate_limited');
  expect(await attempt('ada', right)).toBe('rate_limited');
  expect(await show(right)).toBe('in');
  expect(await attempt('ada', right)).toBe('in');
});

test('returns when to try again, and forgets the failures then', async () => {
  const { attempt, failures, clock } = start(1);
  await attempt('ada', wrong);
  clock.advance(45_000);
  await expect(failures.attempt('ada', right)).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 15 });
  clock.advance(15_000);
  expect(await attempt('ada', right)).toBe('in');
});

test('counts a hundred concurrent guesses exactly', async () => {
  const { attempt } = start(5);
  const answers = await Promise.all(Array.from({ length: 100 }, () => attempt('ada', wrong)));
  expect(answers.filter((answer) => answer === 'credentials_wrong')).toHaveLength(5);
  expect(answers.filter((answer) => answer === 'rate_limited')).toHaveLength(95);
});

test('lets a hundred concurrent right passwords wait and succeed', async () => {
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

test('does not count a failure with another code', async () => {
  const { attempt } = start(1);
  const busy = () => Promise.reject(new RescindError('busy'));
  expect(await attempt('ada', busy)).toBe('busy');
  expect(await attempt('ada', right)).toBe('in');
});

test('counts the given codes', async () => {
  const clock = createManualClock(0);
  const codes = createFailureLimit({ limit: 1, windowMs: 60_000, clock, counts: ['second_factor_wrong'] });
  const fail = (code: 'credentials_wrong' | 'second_factor_wrong') =>
    codes.attempt('ada', () => Promise.reject(new RescindError(code))).catch(codeOf);
  expect(await fail('credentials_wrong')).toBe('credentials_wrong');
  expect(await fail('second_factor_wrong')).toBe('second_factor_wrong');
  expect(await fail('second_factor_wrong')).toBe('rate_limited');
});

describe('a limit with slow attempts', () => {
  const SLOWLY_MS = 1_000;
  const DAY_MS = 86_400_000;

  function startSlowly(limit: number) {
    const clock = createManualClock(0);
    const failures = createFailureLimit({ limit, windowMs: DAY_MS, slowlyMs: SLOWLY_MS, clock });
    const attempt = (work: () => Promise<string>, source: string) =>
      failures.attempt('ada', work, { source }).catch((error: unknown) => codeOf(error));
    return { clock, attempt, failures };
  }

  test('permits one attempt at a time, and none for a while after a failure', async () => {
    const { clock, attempt, failures } = startSlowly(2);
    for (const source of ['a', 'b']) expect(await attempt(wrong, source)).toBe('credentials_wrong');
    const answers = await Promise.all(Array.from({ length: 50 }, (_none, index) => attempt(wrong, `c${index}`)));
    expect(answers.filter((answer) => answer === 'credentials_wrong')).toHaveLength(1);
    expect(await attempt(right, 'd')).toBe('rate_limited');
    clock.advance(SLOWLY_MS - 100);
    await expect(failures.attempt('ada', right, { source: 'd' })).rejects.toMatchObject({ retryAfter: 0.1 });
    clock.advance(100);
    expect(await attempt(right, 'd')).toBe('in');
    // A success uses no slow attempt: the next waiting call runs at once.
    expect(await attempt(right, 'e')).toBe('in');
  });

  test('permits a new source first: sources that failed wait twice as long', async () => {
    const { clock, attempt } = startSlowly(2);
    for (let index = 0; index < 2; index++) await attempt(wrong, 'attacker');
    expect(await attempt(wrong, 'attacker')).toBe('rate_limited');
    expect(await attempt(wrong, 'another attacker')).toBe('credentials_wrong');
    clock.advance(SLOWLY_MS);
    expect(await attempt(wrong, 'attacker')).toBe('rate_limited');
    expect(await attempt(right, 'owner')).toBe('in');
    clock.advance(SLOWLY_MS);
    expect(await attempt(wrong, 'attacker')).toBe('credentials_wrong');
  });

  test('bounds the guesses of a day from any number of sources', async () => {
    const { clock, attempt } = startSlowly(20);
    let guesses = 0;
    for (let at = 0; at < DAY_MS / 10; at += SLOWLY_MS / 4) {
      if ((await attempt(wrong, `place ${at}`)) === 'credentials_wrong') guesses++;
      clock.advance(SLOWLY_MS / 4);
    }
    expect(guesses).toBeLessThanOrEqual(20 + DAY_MS / 10 / SLOWLY_MS + 1);
  });

  test('is not reset by a success', async () => {
    const { attempt } = startSlowly(2);
    await attempt(wrong, 'a');
    await attempt(right, 'b');
    await attempt(wrong, 'a');
    await attempt(wrong, 'c');
    expect(await attempt(wrong, 'd')).toBe('rate_limited');
  });
});
