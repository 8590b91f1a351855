import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openAdministered, secretOf } from '../../support/administration.ts';

const PAGE = new URL('../../../docs/administration.md', import.meta.url);

test('runs every command of docs/administration.md in order', async () => {
  const { adminUrl, login } = await openAdministered();
  await login();
  const blocks = [...readFileSync(PAGE, 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block);
  expect(blocks.length).toBeGreaterThan(8);
  const { stdout } = await promisify(execFile)('bash', ['-euc', blocks.join('\n')], {
    env: { PATH: process.env.PATH, ADMIN: adminUrl, OPERATOR: `ada:${secretOf('ada')}` },
  });
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(answers.length).toBeGreaterThan(20);
  for (const answer of answers) expect(answer.code, JSON.stringify(answer)).toBeUndefined();
  expect(answers.at(-1)).toMatchObject({ intact: true });
}, 60_000);
