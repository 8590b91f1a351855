import { readFileSync } from 'node:fs';
import { memoryStore } from '@rescind/issuer/testing';
import { silentTelemetry } from '@rescind/revocation';
import { expect, test } from 'vitest';

const page = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

test('docs/issuer-store.md describes every method of a store', async () => {
  const store = await memoryStore().open(silentTelemetry);
  const names = await store.transaction(async ({ sql: _, savepoint: __, ...tables }) =>
    Object.entries(tables).flatMap(([table, methods]) => Object.keys(methods).map((name) => `${table}.${name}`)),
  );
  expect(names.length).toBeGreaterThan(60);
  const text = page('issuer-store.md');
  expect(names.filter((name) => !new RegExp(`\`${name}[(\`]`).test(text))).toEqual([]);
  expect(Object.keys(store.log).filter((name) => !new RegExp(`\`${name}[(\`]`).test(text))).toEqual([]);
});

test('docs/testing.md contains the example that a test runs', () => {
  const example = readFileSync(new URL('../issuer/testing-example.test.ts', import.meta.url), 'utf8');
  expect(page('testing.md')).toContain(example);
});
