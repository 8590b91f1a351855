import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// What others install: the packages are built, packed, and installed from their archives into empty projects outside this repository.

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'rescind-install-'));
const packages = readdirSync(join(root, 'packages')).filter(isPublic);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function isPublic(name: string): boolean {
  return manifestOf(join(root, 'packages', name)).rescind?.public === true;
}

interface Manifest {
  readonly version: string;
  readonly rescind?: { readonly public?: boolean };
  readonly exports: Readonly<Record<string, unknown>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** @returns what it wrote to standard output */
function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', env: environment });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`, { cause: error });
  }
  return stdout;
}

/** Without what `npm test` adds for this repository, such as the path of its Node.js and the folder of its packages. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));

const archives: Record<string, string> = {};
beforeAll(() => {
  run(root, 'npm', 'run', 'build');
  for (const name of packages) {
    const folder = join(root, 'build/packages', name);
    const file = run(folder, 'npm', 'pack', '--silent', '--pack-destination', directory).trim();
    archives[`@rescind/${name}`] = `file:${join(directory, file)}`;
  }
});

const FRAMEWORK = { express: '5.3.0' };
/** The optional peers of @rescind/guard and @rescind/client. */
const PEERS = {
  axios: '1.21.1',
  '@nestjs/common': '12.5.1',
  '@nestjs/core': '12.5.1',
  fastify: '5.12.8',
  'socket.io': '4.8.4',
  'socket.io-client': '4.8.4',
  ws: '8.23.0',
  graphql: '17.1.0',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
};
const TYPES = { '@types/express': '5.0.6', '@types/node': '24.19.2', typescript: '6.0.3', '@types/ws': '8.18.1' };

/** An empty project. */
function project(name: string, manifest: object, files: Readonly<Record<string, string>> = {}): string {
  const path = join(directory, name);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, ...manifest }));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

const npmInstall = (path: string) => run(path, 'npm', 'install', '--no-audit', '--no-fund', '--silent');

/** The service of docs/testing.md: what its requests get before and after the logout. */
const service = (imports: string) => `${imports}
const kit = openTestKit({ audience: 'prices' });
const app = express();
app.get('/prices', guard(kit.guard, { scopes: ['prices:read'] }), (request, response) => {
  response.json({ for: request.auth?.payload.sub });
});
app.use(errorHandler());
const server = app.listen(0, async () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const token = kit.token({ sub: 'ada', sid: 'laptop', scope: 'prices:read' });
  const ask = async () =>
    (await fetch('http://localhost:' + port + '/prices', { headers: { authorization: 'Bearer ' + token } })).status;
  const before = await ask();
  kit.revoke({ claim: 'sid', value: 'laptop' });
  console.log(before, await ask());
  server.close();
  server.closeAllConnections();
  await kit[Symbol.asyncDispose]();
});
`;

const IMPORTS = `import express from 'express';
import { errorHandler, guard } from '@rescind/guard/express';
import { openTestKit } from '@rescind/guard/testing';`;

const REQUIRES = `const express = require('express');
const { errorHandler, guard } = require('@rescind/guard/express');
const { openTestKit } = require('@rescind/guard/testing');`;

/** The same for Fastify. */
const FASTIFY_SERVICE = `import { requireToken } from '@rescind/guard/fastify';
import { openTestKit } from '@rescind/guard/testing';
import { fastify } from 'fastify';
const kit = openTestKit({ audience: 'prices' });
const app = fastify();
app.get('/prices', { onRequest: requireToken(kit.guard, { scopes: ['prices:read'] }) }, (request) => ({
  for: request.auth?.payload.sub,
}));
const headers = { authorization: 'Bearer ' + kit.token({ sid: 'laptop', scope: 'prices:read' }) };
const ask = async () => (await app.inject({ url: '/prices', headers })).statusCode;
const before = await ask();
kit.revoke({ claim: 'sid', value: 'laptop' });
console.log(before, await ask());
await app.close();
await kit.close();
`;

/** Imports every entry point of every package. */
function everyEntryPoint(): string {
  const entries = packages.flatMap((name) =>
    Object.keys(manifestOf(join(root, 'packages', name)).exports).map((path) => `@rescind/${name}${path.slice(1)}`),
  );
  const isOptional = (entry: string) => entry.endsWith('/store-contract');
  return entries
    .filter((entry) => !isOptional(entry))
    .map((entry, at) => `import * as entry${at} from '${entry}';\nvoid entry${at};\n`)
    .join('');
}

describe('a TypeScript project', () => {
  test('compiles every declaration and guards an Express application', () => {
    const path = project(
      'typescript',
      { type: 'module', dependencies: { ...archives, ...FRAMEWORK, ...PEERS }, devDependencies: TYPES },
      {
        'service.ts': service(IMPORTS),
        'fastify.ts': FASTIFY_SERVICE,
        'entries.ts': everyEntryPoint(),
        'tsconfig.json': JSON.stringify({
          compilerOptions: {
            target: 'es2022',
            lib: ['es2024', 'esnext.disposable'],
            module: 'nodenext',
            strict: true,
            skipLibCheck: false,
            exactOptionalPropertyTypes: true,
            types: ['node'],
            outDir: 'out',
          },
        }),
      },
    );
    npmInstall(path);
    run(path, 'npx', 'tsc');
    run(path, process.execPath, 'out/entries.js');
    expect(run(path, process.execPath, 'out/service.js').trim()).toBe('200 401');
    expect(run(path, process.execPath, 'out/fastify.js').trim()).toBe('200 401');
  });
});

/** The block of code below a heading of docs/adapters.md. */
function codeOfAdapters(heading: string): string {
  const page = readFileSync(join(root, 'docs/adapters.md'), 'utf8');
  const [, code] = /```ts\n(.*?)```/s.exec(page.split(`## ${heading}\n`)[1] ?? '') ?? [];
  if (code === undefined) throw new Error(`docs/adapters.md has no code below ${heading}`);
  return code;
}

/** Requests to the server of Apollo: status, challenge, and error code or data. */
const APOLLO_CLIENT = `import { openTestKit } from '@rescind/guard/testing';
import { listen } from './server.ts';
const kit = openTestKit({ audience: 'prices' });
const server = await listen(kit.guard, 0);
const ask = async (query: string, token?: string) => {
  const authorization = token === undefined ? {} : { authorization: 'Bearer ' + token };
  const headers = { 'content-type': 'application/json', ...authorization };
  const response = await fetch(server.url, { method: 'POST', headers, body: JSON.stringify({ query }) });
  const { data, errors } = (await response.json()) as { data?: object; errors?: { extensions: { code: string } }[] };
  const challenge = response.headers.get('www-authenticate');
  console.log(response.status, challenge?.split(' ')[0], errors?.[0]?.extensions.code ?? JSON.stringify(data));
};
const token = kit.token({ sub: 'ada', sid: 'laptop', scope: 'prices:read' });
await ask('{ user }', token);
await ask('{ premium }', token);
await ask('{ user }');
kit.revoke({ claim: 'sid', value: 'laptop' });
await ask('{ user }', token);
await server.close();
await kit.close();
`;

test('a project with Apollo Server has the identity in the context, and the refusal in the response', () => {
  const dependencies = { ...archives, '@apollo/server': '5.5.1', graphql: '16.15.0' };
  const path = project(
    'apollo',
    { type: 'module', dependencies, devDependencies: { '@types/node': '24.19.2', typescript: '6.0.3' } },
    {
      'server.ts': codeOfAdapters('Apollo Server'),
      'client.ts': APOLLO_CLIENT,
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          target: 'es2022',
          lib: ['es2024', 'esnext.disposable'],
          module: 'nodenext',
          strict: true,
          types: ['node'],
          // Of Apollo Server's own declarations.
          skipLibCheck: true,
          rewriteRelativeImportExtensions: true,
          outDir: 'out',
        },
      }),
    },
  );
  npmInstall(path);
  run(path, 'npx', 'tsc');
  expect(run(path, process.execPath, 'out/client.js').trim().split('\n')).toEqual([
    '200 undefined {"user":"ada"}',
    '403 Bearer scope_insufficient',
    '401 Bearer token_missing',
    '401 Bearer token_revoked',
  ]);
});

describe('a CommonJS project', () => {
  test('requires the guard', () => {
    const path = project(
      'commonjs',
      { dependencies: { ...archives, ...FRAMEWORK } },
      { 'service.js': service(REQUIRES) },
    );
    npmInstall(path);
    expect(run(path, process.execPath, 'service.js').trim()).toBe('200 401');
  });
});

describe('a project of pnpm', () => {
  test('finds every package that a package imports', () => {
    const path = project(
      'pnpm',
      {
        type: 'module',
        dependencies: { '@rescind/guard': archives['@rescind/guard'], ...FRAMEWORK },
        pnpm: { overrides: archives, onlyBuiltDependencies: ['better-sqlite3'] },
      },
      { 'service.js': service(IMPORTS) },
    );
    run(path, 'npm', 'exec', '--yes', '--package=pnpm@10.34.8', '--', 'pnpm', 'install', '--silent');
    expect(run(path, process.execPath, 'service.js').trim()).toBe('200 401');
  });
});

describe('a package', () => {
  test.each(packages)('%s passes publint and are-the-types-wrong', (name) => {
    const folder = join(root, 'build/packages', name);
    run(folder, 'npm', 'exec', '--yes', '--package=publint@0.3.25', '--', 'publint', '--strict');
    const archive = (archives[`@rescind/${name}`] ?? '').slice('file:'.length);
    const attw = ['npm', 'exec', '--yes', '--package=@arethetypeswrong/cli@0.18.5', '--', 'attw', archive] as const;
    // ESM alone: CommonJS requires it from Node.js 22.12 on, which that tool does not know.
    run(directory, ...attw, '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm');
  });
});
