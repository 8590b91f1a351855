import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { openUserManagement } from '../../support/user-management.ts';

const GOOD = 'tr0ub4dor-and-3-other-staples-of-a-battery';

type Make = (secret: string) => object;

const FILES: Readonly<Record<string, Make>> = {
  FEED_CLIENTS_FILE: (secret) => ({ prices: secret }),
  CLIENTS_FILE: (secret) => ({ shop: { name: 'Shop', authMethod: 'client_secret_basic', secrets: [secret] } }),
  ADMIN_OPERATORS_FILE: (secret) => ({ ada: { secret, scopes: ['admin:keys:read'] } }),
};

const BAD: readonly (readonly [string, string, number])[] = [
  ['short', 'hunter2-hunter2', 0o600],
  ['typed in a hurry', 'changeme'.repeat(5), 0o600],
  ['of two lines', `${GOOD}\n${GOOD}`, 0o600],
  ['open to everybody', GOOD, 0o644],
];

/** Starts the service with this content of the file. @returns `started`, or the variable that is refused */
async function startWith(variable: string, content: object, mode: number): Promise<string> {
  const file = join(temporaryDirectory(), 'secrets.json');
  writeFileSync(file, JSON.stringify(content), { mode });
  try {
    await openUserManagement({ [variable]: file });
    return 'started';
  } catch (error) {
    expect(error).toMatchObject({ code: 'configuration_invalid' });
    // The error names the problem, and never the secret.
    expect(String(error)).toContain(variable);
    expect(String(error)).not.toMatch(/hunter2|changeme|tr0ub4dor/);
    return variable;
  }
}

describe('security 68: secrets come from files of their owner, and are refused when they are easy to guess', () => {
  describe.each(Object.entries(FILES))('%s', (variable, make) => {
    test('is accepted when it is valid', async () => {
      expect(await startWith(variable, make(GOOD), 0o600)).toBe('started');
    });

    test.each(BAD)('is refused when it is %s', async (_what, secret, mode) => {
      expect(await startWith(variable, make(secret), mode)).toBe(variable);
    });
  });

  test('refuses a webhook secret that is short or no base64', async () => {
    for (const secret of ['whsec_c2hvcnQ=', `whsec_${'!'.repeat(40)}`]) {
      const starting = openUserManagement({ WEBHOOK_URL: 'http://127.0.0.1:9/', WEBHOOK_SECRET: secret });
      const error = await starting.catch((caught: Error) => caught);
      expect(error).toMatchObject({ code: 'configuration_invalid' });
      expect(String(error)).not.toContain(secret.slice('whsec_'.length));
    }
  });

  test('creates private keys readable by their owner only, and refuses a directory that others may open', async () => {
    const directory = temporaryDirectory();
    const keysPath = join(directory, 'keys');
    mkdirSync(keysPath, { mode: 0o755 });
    chmodSync(keysPath, 0o755);
    const error = await openUserManagement({}, directory).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'configuration_invalid' });
    chmodSync(keysPath, 0o700);
    await openUserManagement({}, directory);
    expect(readdirSync(keysPath).filter((name) => name.endsWith('.pem'))).toHaveLength(2);
  });
});
