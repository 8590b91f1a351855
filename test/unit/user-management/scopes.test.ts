import { readFileSync } from 'node:fs';
import { openApiDocument, operation } from '@rescind/service/http';
import { SCOPES } from '@rescind/user-management';
import { describe, expect, test } from 'vitest';

const administration = readFileSync(new URL('../../../docs/administration.md', import.meta.url), 'utf8');

describe('the scopes of user-management', () => {
  test('are listed once each', () => {
    const names = SCOPES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['account', 'admin:users', 'admin:users:read', 'admin:users:write']));
  });

  test('docs/administration.md has those of administrators as the code has them', () => {
    const written = administration
      .split('\n')
      .filter((line) => line.startsWith('| `admin:'))
      .map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      )
      .map(([name = '', reads = '', writes = '']) => [
        name.replaceAll('`', ''),
        writes === '' ? reads : `${reads}; ${writes}`,
      ]);
    const whole = SCOPES.filter(({ holders, name }) => holders === 'granted' && !/:(read|write)$/.test(name));
    expect(written).toEqual(whole.map(({ name, description }) => [name, description]));
  });

  test('an OpenAPI document describes those that its operations require, and refuses a misspelt one', () => {
    const documentOf = (scope: string) =>
      openApiDocument({
        title: 'Test',
        version: '1',
        servers: ['/'],
        scopes: Object.fromEntries(SCOPES.map(({ name, description }) => [name, description])),
        operations: [
          operation({
            ...{ id: 'look', method: 'get', path: '/look', summary: 'Look', tag: 'Test', security: 'bearer' },
            ...{ scopes: [scope], responses: { 200: { description: 'Seen' } }, errors: [], handle: () => undefined },
          }),
        ],
      });
    expect(documentOf('admin:keys:read')).toMatchObject({
      components: { securitySchemes: { accessToken: { 'x-scopes': { 'admin:keys:read': 'signing keys' } } } },
    });
    expect(() => documentOf('admin:key:read')).toThrow('scopes must describe "admin:key:read"');
  });
});
