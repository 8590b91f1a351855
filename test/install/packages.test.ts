import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADAPTERS, GRAPHQL_CLIENT, GRAPHQL_WALKED, IMPORTS, REQUIRES, service, WALK, WALKED } from './programs.ts';

// What others install: the packages are built, packed, and installed from their archives into empty projects outside this repository.

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'rescind-install-'));
const packages = readdirSync(join(root, 'packages')).filter(isPublic);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function isPublic(name: string): boolean {
  return manifestOf(join(root, 'packages', name)).rescind?.public === true;
}

interface Manifest {
  readonly engines: { readonly node: string };
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
/** The optional peers of @rescind/guard and @rescind/client, and what the examples of the adapters import. */
const PEERS = {
  axios: '1.21.1',
  '@nestjs/common': '12.5.1',
  '@nestjs/core': '12.5.1',
  '@nestjs/platform-express': '12.5.1',
  '@hono/node-server': '2.1.8',
  'express-jwt': '8.5.1',
  express4: 'npm:express@4.22.3',
  hono: '4.13.19',
  passport: '0.7.0',
  fastify: '5.12.8',
  'socket.io': '4.8.4',
  'socket.io-client': '4.8.4',
  ws: '8.23.0',
  graphql: '17.1.0',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
};
const TYPES = {
  '@types/express': '5.0.6',
  '@types/node': '24.19.2',
  typescript: '6.0.3',
  '@types/passport': '1.0.17',
  '@types/ws': '8.18.1',
};

/** An empty project. */
function project(name: string, manifest: object, files: Readonly<Record<string, string>> = {}): string {
  const path = join(directory, name);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, ...manifest }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  return path;
}

const npmInstall = (path: string) => run(path, 'npm', 'install', '--no-audit', '--no-fund', '--silent');

/** The oldest Node.js that most packages run on, by their `engines`. */
const OLDEST = '22.18';
const runsOnOldest = (name: string) => manifestOf(join(root, 'packages', name)).engines.node === `>=${OLDEST}`;

/** Imports every entry point of these packages. */
function everyEntryPoint(names: readonly string[]): string {
  const entries = names.flatMap((name) =>
    Object.keys(manifestOf(join(root, 'packages', name)).exports).map((path) => `@rescind/${name}${path.slice(1)}`),
  );
  const isOptional = (entry: string) => entry.endsWith('/store-contract');
  return entries
    .filter((entry) => !isOptional(entry))
    .map((entry, at) => `import * as entry${at} from '${entry}';\nvoid entry${at};\n`)
    .join('');
}

/** The block of code below a heading of docs/adapters.md. */
function codeOfAdapters(heading: string): string {
  const page = readFileSync(join(root, 'docs/adapters.md'), 'utf8');
  const [, code] = /```ts\n(.*?)```/s.exec(page.split(`## ${heading}\n`)[1] ?? '') ?? [];
  if (code === undefined) throw new Error(`docs/adapters.md has no code below ${heading}`);
  return code;
}

const OPTIONS = {
  target: 'es2022',
  module: 'nodenext',
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  types: ['node'],
  outDir: 'out',
};
/** Without the declarations of a browser, which no package requires. */
const LIB = ['es2024', 'esnext.disposable'];

/** The programs of a project in TypeScript: every entry point, a service, and the examples of docs/adapters.md. */
function sources(): Record<string, string> {
  const examples = Object.entries(ADAPTERS).map(([heading, name]) => [`adapters/${name}.ts`, codeOfAdapters(heading)]);
  return {
    'service.ts': service(IMPORTS),
    'entries.ts': everyEntryPoint(packages),
    'oldest.ts': everyEntryPoint(packages.filter(runsOnOldest)),
    'tsconfig.json': JSON.stringify({ compilerOptions: { ...OPTIONS, lib: LIB }, include: ['*.ts'] }),
    'adapters/walk.ts': WALK,
    ...Object.fromEntries(examples),
    'adapters/tsconfig.json': JSON.stringify({
      compilerOptions: { ...OPTIONS, outDir: '../out', experimentalDecorators: true, emitDecoratorMetadata: true },
    }),
  };
}

const lines = (text: string) => text.trim().split('\n');

const onOldestNode = (path: string, file: string) =>
  run(path, 'npm', 'exec', '--yes', `--package=node@${OLDEST}.0`, '--', 'node', file);

function expectPrograms(path: string): void {
  run(path, 'npx', 'tsc');
  run(path, 'npx', 'tsc', '-p', 'adapters');
  run(path, process.execPath, 'out/entries.js');
  expect(run(path, process.execPath, 'out/service.js').trim()).toBe('200 401');
  expect(lines(run(path, process.execPath, 'out/walk.js'))).toEqual(WALKED);
  onOldestNode(path, 'out/oldest.js');
  expect(lines(onOldestNode(path, 'out/walk.js'))).toEqual(WALKED);
}

describe('a TypeScript project', () => {
  test('compiles every declaration and guards an application of each framework', () => {
    const dependencies = { ...archives, ...FRAMEWORK, ...PEERS };
    const path = project('typescript', { type: 'module', dependencies, devDependencies: TYPES }, sources());
    npmInstall(path);
    expectPrograms(path);
  });

  test('compiles the client for a browser, without the types of Node.js', () => {
    const readme = readFileSync(join(root, 'packages/client/README.md'), 'utf8');
    const compilerOptions = {
      ...OPTIONS,
      lib: ['es2022', 'dom'],
      types: [],
      module: 'esnext',
      moduleResolution: 'bundler',
    };
    const path = project(
      'browser',
      { type: 'module' },
      {
        'page.ts': /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '',
        'entries.ts': everyEntryPoint(['client']),
        'tsconfig.json': JSON.stringify({ compilerOptions }),
      },
    );
    symlinkSync('../typescript/node_modules', join(path, 'node_modules'));
    run(path, 'npx', 'tsc');
  });

  test('does the same in CommonJS', () => {
    const path = project('typescript-commonjs', { type: 'commonjs' }, sources());
    symlinkSync('../typescript/node_modules', join(path, 'node_modules'));
    expectPrograms(path);
  });
});

test('a project with Apollo Server or GraphQL Yoga has the identity in the context, and the refusal in the response', () => {
  const dependencies = { ...archives, '@apollo/server': '5.5.1', graphql: '16.15.0', 'graphql-yoga': '5.24.1' };
  const path = project(
    'graphql',
    { type: 'module', dependencies, devDependencies: { '@types/node': '24.19.2', typescript: '6.0.3' } },
    {
      'apollo.ts': codeOfAdapters('Apollo Server'),
      'yoga.ts': codeOfAdapters('GraphQL Yoga'),
      'client.ts': GRAPHQL_CLIENT,
      // Of the declarations that GraphQL Yoga requires.
      'tsconfig.json': JSON.stringify({ compilerOptions: { ...OPTIONS, skipLibCheck: true } }),
    },
  );
  npmInstall(path);
  run(path, 'npx', 'tsc');
  expect(lines(run(path, process.execPath, 'out/client.js'))).toEqual(GRAPHQL_WALKED);
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

/** A test in CommonJS. */
const TEST_OF_JEST = `
const { openTestKit } = require('@rescind/guard/testing');
test('refuses the token of a session that has logged out', async () => {
  const kit = openTestKit({ audience: 'prices' });
  kit.revoke({ claim: 'sid', value: 'laptop' });
  expect(kit.guard.decide(kit.token({ sid: 'laptop' }), {}).error.code).toBe('token_revoked');
  await kit.close();
});`;

test('a project with Jest has the test kit', () => {
  const path = project('jest', { dependencies: { ...archives, jest: '30.5.2' } }, { 'guard.test.js': TEST_OF_JEST });
  npmInstall(path);
  run(path, process.execPath, '--experimental-vm-modules', 'node_modules/jest/bin/jest.js');
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
