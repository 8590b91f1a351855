import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MODULE = fileURLToPath(import.meta.resolve('@rescind/revocation'));

/** Imports the package in a process that says it is this version of Node.js. Returns what it writes. */
function importAs(version: string): string {
  const code = `
    Object.defineProperty(process.versions, 'node', { value: '${version}' });
    await import(${JSON.stringify(MODULE)}).then(() => console.log('imported'), (error) => console.log(error.message));`;
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

test.each(['22.18.0', '23.0.0', '24.21.0'])('Node.js %s is taken', (version) => {
  expect(importAs(version)).toContain('imported');
});
