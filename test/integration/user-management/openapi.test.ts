import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { openUserManagement } from '../../support/user-management.ts';

type Json = Record<string, unknown>;
interface Described {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { readonly operationId: string; readonly requestBody?: Json }>>;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

async function published(): Promise<{ readonly url: string; readonly document: Described }> {
  const { url, send } = await openUserManagement({ PUBLISH_OPENAPI: 'true' });
  const { status, body } = await send('/openapi.json');
  expect(status).toBe(200);
  return { url, document: body as unknown as Described };
}

test('security 58: does not serve the document by default', async () => {
  const { send } = await openUserManagement();
  expect((await send('/openapi.json')).status).toBe(404);
});

describe('the document', () => {
  test('matches the server: each address accepts the documented methods and no others', async () => {
    const { url, document } = await published();
    expect(document.openapi).toMatch(/^3\.1\./);
    for (const [path, operations] of Object.entries(document.paths)) {
      const at = url + path.replaceAll(/\{\w+\}/g, 'x');
      const described = METHODS.filter((method) => method in operations).map((method) => method.toUpperCase());
      const { headers } = await fetch(at, { method: 'OPTIONS' });
      const served = headers
        .get('allow')
        ?.split(', ')
        .filter((method) => method !== 'HEAD');
      expect([path, served?.toSorted()]).toEqual([path, described.toSorted()]);
    }
  });

  test('declares 415 for JSON bodies, and 400 alone for forms of OAuth', async () => {
    const { document } = await published();
    const declared = (path: string) => Object.keys(Object(document.paths[path]?.post).responses);
    expect(declared('/login')).toEqual(expect.arrayContaining(['400', '413', '415']));
    for (const path of ['/oauth2/token', '/oauth2/revoke', '/oauth2/introspect']) {
      expect(declared(path)).toEqual(expect.arrayContaining(['400', '413']));
      expect(declared(path)).not.toContain('415');
    }
  });

  test('is valid for client generators of other languages', async () => {
    const { ada } = await openAdministered();
    const { document } = await published();
    for (const each of [document, (await ada.get('/admin/openapi.json')).body]) {
      const schemas = nodesOf(each);
      expect(schemas.filter((schema) => Array.isArray(schema.type)).length).toBeGreaterThan(5);
      for (const { const: one, pattern, anyOf, type, maximum, format } of schemas) {
        expect(one).toBeUndefined();
        if (typeof pattern === 'string') expect(pattern).not.toMatch(/\\p\{|\\P\{|\(\?[=!<]/);
        // A nullable schema has a list of types, unless it has no type of its own.
        const [first, second] = Array.isArray(anyOf) && anyOf.length === 2 ? anyOf : [];
        if (second?.type === 'null') expect(first?.type).toBeUndefined();
        // An integer of 32 bits, which generators make of one without a format, has no room for milliseconds.
        const isLong = [type].flat().includes('integer') && typeof maximum === 'number' && maximum >= 2 ** 31;
        if (isLong) expect(format).toBe('int64');
      }
    }
  });

  test('has an example of each operation in docs/http.md', async () => {
    const { document } = await published();
    const page = readFileSync(new URL('../../../docs/http.md', import.meta.url), 'utf8');
    const missing = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations)
        .map((method) => `${method.toUpperCase()} ${path}`)
        .filter((address) => !page.includes(`\`${address}\``)),
    );
    expect(missing).toEqual([]);
  });

  test('says of an explanation and of a name what the server accepts', async () => {
    const { ada } = await openAdministered();
    const document = (await ada.get('/admin/openapi.json')).body as unknown as Described;
    const body = document.paths['/admin/users']?.post?.requestBody as {
      readonly content: Record<string, { readonly schema: { readonly properties: Record<string, Json> } }>;
    };
    const { why, username } = body.content['application/json']?.schema.properties ?? {};
    expect(username).toMatchObject({ minLength: 1 });
    // A dialect reads either characters or units of UTF-16.
    const dialects = [new RegExp(String(why?.pattern), 'u'), new RegExp(String(why?.pattern))];
    const create = (more: object) => ada.post('/admin/users', { username: 'grace', why: 'a', ...more });
    for (const text of ['two\nlines', 'an escape \u001b[31m', 'NEL \u0085']) {
      expect([text, ...dialects.map((dialect) => dialect.test(text))]).toEqual([text, false, false]);
      expect([text, (await create({ why: text })).status]).toEqual([text, 400]);
    }
    expect((await create({ username: '' })).body).toMatchObject({ issues: [{ path: 'username' }] });
    for (const text of ['a leak', 'Prüfung 😀']) {
      expect([text, ...dialects.map((dialect) => dialect.test(text))]).toEqual([text, true, true]);
    }
    expect((await create({ why: 'Prüfung 😀' })).status).toBe(201);
  });

  test('closes every JSON body to unknown members', async () => {
    const { document } = await published();
    const open = Object.values(document.paths)
      .flatMap((operations) => Object.values(operations))
      .filter(({ requestBody }) => isOpen(requestBody))
      .map(({ operationId }) => operationId);
    expect(open).toEqual([]);
  });

  test('passes the recommended rules of an independent linter', async () => {
    const { document } = await published();
    const file = join(temporaryDirectory(), 'openapi.json');
    writeFileSync(file, JSON.stringify(document));
    // Some operations have no 4xx response, and the server of a test is on this machine.
    const skipped = ['operation-4xx-response', 'no-server-example.com'].flatMap((rule) => ['--skip-rule', rule]);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.resolve('@redocly/cli/bin/cli.js')), 'lint', '--max-problems=20', ...skipped, file],
      { encoding: 'utf8', env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' } },
    );
    expect([status, /You have \d+ (warning|error)/.exec(stdout + stderr)], stdout + stderr).toEqual([0, null]);
  });
});

function isOpen(body: Json | undefined): boolean {
  const content = (body?.content ?? {}) as Record<string, { schema: Json }>;
  const schema = content['application/json']?.schema;
  return (
    schema !== undefined && JSON.stringify(schema).includes('"properties"') && schema.additionalProperties !== false
  );
}

/** Every object within a document. */
function nodesOf(value: unknown): Json[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap(nodesOf);
  return Array.isArray(value) ? inner : [value as Json, ...inner];
}
