import { createPrivateKey } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Fleet } from '@rescind/dev-fleet';
import { openFleet, request } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { CACHE, fetchGenerator, fetchSpring, preparePython, requireTools, run } from './tools.ts';

/**
 * `npm run test:openapi-clients`: makes clients of both OpenAPI documents by openapi-generator, for Python and Go, and runs them
 * against a running user-management; then runs the verifiers of docs/verifiers.md. Needs Java, Maven, Python and Go, and takes
 * some minutes.
 */
const GO_VERSION = '1.25.0';
const DOCUMENTS = ['public', 'admin'] as const;
const work = join(CACHE, 'work');
const here = (name: string) => join(import.meta.dirname, name);

requireTools();
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
await using fleet = await openFleet({ prices: 0, orders: 0, issuerEnvironment: { PUBLISH_OPENAPI: 'true' } });
const python = preparePython();

await writeDocuments(fleet);
// All requests of this process come first: the commands below block it, and its connections are closed meanwhile.
const { access_token: token } = await fleet.client.login(await fleet.client.register(), 'verifier');
generateClients(fetchGenerator());
const environment = {
  RESCIND_URL: fleet.issuer.url,
  RESCIND_ADMIN_URL: fleet.adminUrl,
  RESCIND_OPERATOR: fleet.operator.name,
  RESCIND_OPERATOR_SECRET: fleet.operator.secret,
};
usePythonClients(environment);
useGoClients(environment);
await verifyElsewhere(fleet, token);
console.log('ok      clients by openapi-generator, and verifiers of other makers');

async function writeDocuments({ issuer, adminUrl, operator }: Fleet): Promise<void> {
  const authorization = basicAuthorization(operator.name, operator.secret);
  const paths = { public: `${issuer.url}/openapi.json`, admin: `${adminUrl}/admin/openapi.json` };
  for (const name of DOCUMENTS) {
    const { status, body } = await request(paths[name], { headers: { authorization } });
    if (status !== 200) throw new Error(`the ${name} document was answered with ${status}`);
    writeFileSync(join(work, `${name}.json`), JSON.stringify(body));
  }
}

function generateClients(jar: string): void {
  for (const name of DOCUMENTS) {
    const generate = (language: string, options: readonly string[]) =>
      run('java', [
        ...['-jar', jar, 'generate', '-g', language],
        ...['-i', join(work, `${name}.json`), '-o', join(work, `${language}-${name}`), ...options],
      ]);
    generate('python', [`--additional-properties=packageName=rescind_${name}`]);
    generate('go', ['--git-user-id=rescind', `--git-repo-id=${name}`, `--additional-properties=packageName=${name}`]);
    console.log(`ok      generated: ${name}, for Python and Go`);
  }
}

function usePythonClients(env: Readonly<Record<string, string>>): void {
  const PYTHONPATH = DOCUMENTS.map((name) => join(work, `python-${name}`)).join(delimiter);
  run(python, [here('use_clients.py')], { env: { ...env, PYTHONPATH } });
  console.log('ok      Python clients');
}

function useGoClients(env: Readonly<Record<string, string>>): void {
  const replaced = DOCUMENTS.map((name) => `replace github.com/rescind/${name} => ../go-${name}`);
  const directory = goModule('use', ['use_clients.go'], replaced);
  run('go', ['run', '-mod=mod', '.'], { cwd: directory, env });
  console.log('ok      Go clients');
}

/** A directory that is a Go module of these files. */
function goModule(name: string, files: readonly string[], more: readonly string[] = []): string {
  const directory = join(work, name);
  mkdirSync(directory);
  for (const file of files) cpSync(here(file), join(directory, file));
  writeFileSync(join(directory, 'go.mod'), [`module ${name}`, `go ${GO_VERSION}`, ...more, ''].join('\n'));
  return directory;
}

async function verifyElsewhere({ issuer, directory }: Fleet, token: string): Promise<void> {
  const { sub, aud } = decodeJwt(token);
  const [audience] = [aud].flat();
  const tokens = [token, ...(await badTokens(token, join(directory, 'keys')))];
  const verdicts = [`accepted ${sub}`, ...tokens.slice(1).map(() => 'refused')];
  for (const [maker, verify] of Object.entries(verifiers())) {
    const verdictsFor = (AUDIENCE: string) => {
      const written = verify({ ISSUER: issuer.url, AUDIENCE }, `${tokens.join('\n')}\n`);
      return written.trim().split('\n');
    };
    expectSame(maker, verdictsFor(String(audience)), verdicts);
    expectSame(
      `${maker}, of another audience`,
      verdictsFor('another'),
      tokens.map(() => 'refused'),
    );
    console.log(`ok      ${maker}`);
  }
}

/** Forged, of no type of ours, expired, of another issuer: all but the first signed by the issuer's own key. */
async function badTokens(token: string, keysDirectory: string): Promise<string[]> {
  const { kid = '', alg = '' } = decodeProtectedHeader(token);
  const file = readdirSync(keysDirectory).find((name) => name === `token-${kid}.pem`);
  const key = createPrivateKey(readFileSync(join(keysDirectory, String(file))));
  const claims = decodeJwt(token);
  const sign = (typ: string, more: object = {}) =>
    new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg, kid, typ }).sign(key);
  const { exp = 0, iat = 0 } = claims;
  return [
    `${token.slice(0, -8)}AAAAAAAA`,
    await sign('JWT'),
    await sign('secevent+jwt'),
    await sign('at+jwt', { exp: exp - 7_200, iat: iat - 7_200 }),
    await sign('at+jwt', { iss: 'https://another.example' }),
    'nonsense',
  ];
}

type Verify = (env: Readonly<Record<string, string>>, input: string) => string;

/** The examples of docs/verifiers.md, each with a program around it. */
function verifiers(): Readonly<Record<string, Verify>> {
  const directory = goModule('verify', ['verify.go', 'verify.py', 'Verify.java']);
  const page = readFileSync(join(import.meta.dirname, '../../docs/verifiers.md'), 'utf8');
  const examples = { 'access_tokens.py': 'python', 'access_tokens.go': 'go', 'AccessTokens.java': 'java' };
  for (const [name, language] of Object.entries(examples)) {
    const [, example] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(page) ?? [];
    if (example === undefined) throw new Error(`docs/verifiers.md has no example in ${language}`);
    writeFileSync(join(directory, name), example);
  }
  run('go', ['mod', 'tidy'], { cwd: directory });
  const classPath = [join(fetchSpring(), '*'), directory].join(delimiter);
  run('javac', ['-cp', classPath, '-d', directory, 'AccessTokens.java', 'Verify.java'], { cwd: directory });
  return {
    PyJWT: (env, input) => run(python, ['verify.py'], { cwd: directory, env, input }),
    'golang-jwt': (env, input) => run('go', ['run', '.'], { cwd: directory, env, input }),
    'Spring Security': (env, input) => run('java', ['-cp', classPath, 'Verify'], { cwd: directory, env, input }),
  };
}

function expectSame(what: string, found: readonly string[], right: readonly string[]): void {
  if (JSON.stringify(found) === JSON.stringify(right)) return;
  throw new Error(`${what}: expected ${right.join(', ')}; got ${found.join(', ')}`);
}
