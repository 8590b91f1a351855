import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { compile, isTypeScript, readSnippets } from './snippets.ts';

const snippets = readSnippets();
const of = (...languages: string[]) => snippets.filter(({ language }) => languages.includes(language));

/** Text, diagrams, diffs that a test compares with files, configuration that another test runs, and other languages. */
const NOT_PARSED = ['', 'mermaid', 'diff', 'nginx', 'console', 'python', 'go', 'java'];

test('the pages have blocks of code', () => {
  expect(snippets.length).toBeGreaterThan(80);
  const known = ['ts', 'tsx', 'js', 'sh', 'json', 'yaml', ...NOT_PARSED];
  expect(snippets.filter(({ language }) => !known.includes(language))).toEqual([]);
});

test('every block of TypeScript compiles, and one that does not is reported with its place', {
  timeout: 120_000,
}, () => {
  const wrong = { place: 'wrong.md:1', language: 'ts', text: "const n: number = 'one';\n", before: 'const a = 1;\n' };
  const blocks = snippets.filter(({ language }) => isTypeScript(language));
  expect(compile([...blocks, wrong])).toEqual([
    "wrong.md:1, line 1: Type 'string' is not assignable to type 'number'.",
  ]);
});

test.each(['nginx.conf', 'traefik.yaml', 'envoy.yaml'])('docs/gate.md has examples/gate/%s as it is', (name) => {
  const example = readFileSync(`examples/gate/${name}`, 'utf8');
  const blocks = snippets.filter(({ place }) => place.startsWith('docs/gate.md')).map(({ text }) => text);
  expect(blocks).toContain(example);
});

describe('a block parses', () => {
  test.each(of('sh'))('as shell: $place', ({ text }) => {
    const { stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
    expect(stderr).toBe('');
  });

  test.each(of('js'))('as CommonJS: $place', ({ text }) => {
    expect(() => new Script(text)).not.toThrow();
  });

  test.each(of('json'))('as JSON: $place', ({ text }) => {
    expect(() => JSON.parse(text)).not.toThrow();
  });

  test.each(of('yaml'))('as YAML: $place', ({ text }) => {
    expect(parseAllDocuments(text).flatMap((document) => document.errors)).toEqual([]);
  });
});
