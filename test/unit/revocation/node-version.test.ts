import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** Imports a package in a process that reports this version of Node.js. @returns its output */
function importAs(version: string, name = '@rescind/revocation'): string {
  const module = fileURLToPath(import.meta.resolve(name));
  const code = `
    Object.defineProperty(process.versions, 'node', { value: '${version}' });
    await import(${JSON.stringify(module)}).then(() => console.log('imported'), (error) => console.log(error.message));`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' });
}

test.each(['20.20.2', '18.0.0', '22.17.1'])(
  'Node.js %s is refused at import, with the version that is needed',
  (version) => {
    expect(importAs(version)).toContain(
      `requires Node.js 22.18 or later (24 is recommended); this is Node.js ${version}`,
    );
  },
);

test.each(['22.18.0', '23.0.0', '24.21.0'])('Node.js %s is accepted', (version) => {
  expect(importAs(version)).toContain('imported');
});

test('@rescind/accounts is refused by a Node.js without Argon2', () => {
  expect(importAs('22.22.0', '@rescind/accounts')).toContain('requires Node.js 24.7 or later');
  expect(importAs('24.7.0', '@rescind/accounts')).toContain('imported');
});

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MAINS = globSync('{{packages,services}/*/src/**,examples/*}/{main,start}.ts', { cwd: ROOT }).map((main) =>
  join(dirname(main), 'main.js'),
);

/** An interpreter of this machine that is too old, other than the one of the project. */
const OLD_NODE = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return status === 0 && /^v(1\d|20|21)\./.test(stdout);
});

function refusalOf(node: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(node, args, { cwd: ROOT, encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('there is a main.js for each of the processes', () => {
  expect(MAINS.length).toBeGreaterThanOrEqual(6);
});

/** Argon2 is in Node.js from 24.7 on. */
const leastOf = (path: string) => (/accounts\/|user-management\/(src\/main|package)\./.test(path) ? '24.7' : '22.18');

test.each(MAINS)('%s writes one sentence and ends with 1 on an old Node.js', (main) => {
  const old = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.20.2' })`;
  expect(refusalOf(process.execPath, ['--import', old, main])).toEqual({
    status: 1,
    stdout: '',
    stderr: `Rescind requires Node.js ${leastOf(main)} or later (24 is recommended); this is Node.js 20.20.2\n`,
  });
});

test.runIf(OLD_NODE !== undefined).each(MAINS)('%s is refused by a real old Node.js', (main) => {
  const { status, stderr } = refusalOf(OLD_NODE ?? '', [main]);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^Rescind requires Node\.js 2\d\.\d+ or later \(24 is recommended\); this is Node\.js [\d.]+\n$/,
  );
});

test.each(globSync('{packages,services}/*/package.json', { cwd: ROOT }))('%s names the version in engines', (path) => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { engines?: unknown };
  expect(engines, dirname(path)).toEqual({ node: `>=${leastOf(path)}` });
});
