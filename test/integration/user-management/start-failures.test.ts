import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { startProcess } from '../../support/process.ts';
import { freePort, issuerEnvironment } from '../../support/user-management.ts';

const main = fileURLToPath(new URL('../../../services/user-management/src/main.js', import.meta.url));

test.each(['DATABASE_PATH', 'KEYS_PATH'])(
  '%s below a file prevents the start, and the log names it with path and code',
  async (variable) => {
    const directory = temporaryDirectory();
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'file'), '');
    const path = join(directory, 'file', 'below', 'it');
    const service = startProcess(main, { ...issuerEnvironment(directory, await freePort()), [variable]: path });
    expect(await service.exit).toBe(1);
    const line = await service.line('start_failed');
    expect(line).toMatchObject({ code: 'storage_unavailable', variable, causeCode: 'ENOTDIR' });
    expect(line.message).toContain(`${path} (ENOTDIR)`);
  },
);

test('credentials in the path of a file are not logged', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'file'), '');
  const path = `${directory}/file/https://ada:secret-of-ada@login.example`;
  const service = startProcess(main, { ...issuerEnvironment(directory, await freePort()), KEYS_PATH: path });
  expect(await service.exit).toBe(1);
  await service.line('start_failed');
  expect(service.output()).toContain('[redacted]');
  expect(service.output()).not.toContain('secret-of-ada');
});

test.each([
  ['DATABASE_PATH', 'a directory'],
  ['DATABASE_PATH', 'a pipe'],
  ['KEYS_PATH', 'a file'],
])('%s that is %s prevents the start, and the log names it', async (variable, kind) => {
  const directory = temporaryDirectory();
  const path = join(directory, 'it');
  if (kind === 'a directory') mkdirSync(path, { mode: 0o700 });
  else if (kind === 'a pipe') execFileSync('mkfifo', [path]);
  else writeFileSync(path, '');
  const service = startProcess(main, { ...issuerEnvironment(directory, await freePort()), [variable]: path });
  expect(await service.exit).toBe(1);
  const line = await service.line('start_failed');
  expect(line).toMatchObject({ code: 'configuration_invalid', variable });
  expect(line.message).toContain(`${path} is ${kind}: give the path of a ${kind === 'a file' ? 'directory' : 'file'}`);
});

test.runIf(existsSync('/proc/self'))(
  'a path below /proc, where no file can be created, prevents the start',
  async () => {
    const environment = issuerEnvironment(temporaryDirectory(), await freePort());
    for (const [variable, path] of [
      ['DATABASE_PATH', '/proc/rescind/a/users.db'],
      ['KEYS_PATH', '/proc/rescind/a/keys'],
    ] as const) {
      const service = startProcess(main, { ...environment, [variable]: path });
      expect(await service.exit).toBe(1);
      expect(await service.line('start_failed')).toMatchObject({ code: 'storage_unavailable', variable });
    }
  },
);

test.each([
  ['a word that is none of its values', { TRUSTED_CLOCK: 'both', KAFKA_BROKERS: '127.0.0.1:9' }, 'TRUSTED_CLOCK'],
  ['set without Kafka', { TRUSTED_CLOCK: 'kafka' }, 'KAFKA_BROKERS'],
])(
  'TRUSTED_CLOCK that is %s prevents the start, and the log names the valid values',
  async (_, environment, variable) => {
    const issuer = issuerEnvironment(temporaryDirectory(), await freePort());
    const service = startProcess(main, { ...issuer, ...environment });
    expect(await service.exit).toBe(78);
    const problem = { TRUSTED_CLOCK: 'was given "both"; must be one of issuer, kafka' }[variable];
    expect(await service.line('configuration_invalid')).toMatchObject({
      variable,
      problem: problem ?? 'is not set; must be set when TRUSTED_CLOCK is',
    });
  },
);
