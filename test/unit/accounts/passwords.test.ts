import { createPasswords } from '@rescind/accounts';
import { describe, expect, test } from 'vitest';

const passwords = createPasswords();

describe('passwords', () => {
  test('security 43: are stored as PHC strings of argon2id with OWASP’s cost, each with a salt of its own', async () => {
    const [first, second] = [
      await passwords.hash('correct horse', 'ada'),
      await passwords.hash('correct horse', 'ada'),
    ];
    expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(first).not.toBe(second);
    expect(await passwords.verify('correct horse', first)).toBe(true);
    expect(await passwords.verify('correct horsf', first)).toBe(false);
    expect(passwords.isOutdated(first)).toBe(false);
  });

  test('are verified by a hash of the reference implementation', async () => {
    // argon2 -id -k 256 -t 2 -p 1, salt "somesalt", of the reference implementation's own tests (test.c).
    const stored = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
    expect(await passwords.verify('password', stored)).toBe(true);
    expect(await passwords.verify('passwore', stored)).toBe(false);
    expect(passwords.isOutdated(stored)).toBe(true);
  });

  test('security 43: are hashed again at the present cost, also where they would be refused today', async () => {
    expect(passwords.isOutdated(await passwords.rehash('password'))).toBe(false);
  });

  test.each(['password', 'PassWord', '12345678', 'qwertyuiop', 'trustno1'])(
    'security 45: %s, which attackers try first, is refused',
    async (common) => {
      await expect(passwords.hash(common, 'ada')).rejects.toMatchObject({ code: 'password_refused' });
    },
  );

  test('security 46: refuse the password of an unknown user, at the cost of a known one', async () => {
    expect(await passwords.verify('correct horse', undefined)).toBe(false);
    // The unknown user's verification is queued like a login: here behind two running ones.
    const stored = await passwords.hash('correct horse', 'ada');
    const ended: string[] = [];
    const verify = (whose: string, hash?: string) =>
      passwords.verify('correct horse', hash).then(() => void ended.push(whose));
    await Promise.all([verify('ada', stored), verify('ada', stored), verify('nobody'), verify('ada', stored)]);
    expect(ended[0]).toBe('ada');
    expect(ended).toContain('nobody');
  });

  test('are not compared with a stored text that is no hash: the error does not quote it', async () => {
    await expect(passwords.verify('correct horse', '$2b$10$secret')).rejects.toThrow(/^a stored password must be/);
  });

  test('are refused with `busy` when the queue is full', async () => {
    const crowd = createPasswords();
    const answers = await Promise.allSettled(
      Array.from({ length: 520 }, () =>
        crowd.verify('x', '$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEs'),
      ),
    );
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(6);
    expect(answers.at(-1)).toMatchObject({ reason: { code: 'busy', retryAfter: 1 } });
  });
});
