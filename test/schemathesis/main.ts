import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFleet, request } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';

/** What is run, from the command line: `npm run test:schemathesis -- --max-examples 200`. */
const [, , ...options] = process.argv;
const command = process.env.SCHEMATHESIS ?? 'schemathesis';
const VERSION = '4.32.5';

const found = spawnSync(command, ['--version'], { encoding: 'utf8' });
if (found.status !== 0) {
  console.error(`${command} cannot be run. Install it, for instance by
  python3 -m venv .data/schemathesis && .data/schemathesis/bin/pip install schemathesis==${VERSION}
and say where it is: SCHEMATHESIS=.data/schemathesis/bin/schemathesis npm run test:schemathesis`);
  process.exit(64);
}

const secret = randomBytes(24).toString('base64url');
const clients = {
  tester: { name: 'Tester', authMethod: 'client_secret_basic', secrets: [secret], mayIntrospect: true },
};
const many = { LOGINS_PER_MINUTE: '100000', LOGIN_FAILURES: '1000', ADMIN_FAILURES: '1000' };
await using fleet = await openFleet({
  prices: 1,
  orders: 0,
  clients,
  issuerEnvironment: { PUBLISH_OPENAPI: 'true', NEVER_EXPIRING_DEVICES: 'true', ...many },
});
const { username, password } = await fleet.client.register();
const { url } = fleet.issuer;
const here = mkdtempSync(join(tmpdir(), 'rescind-schemathesis-'));
const environment = {
  ...process.env,
  SCHEMATHESIS_HOOKS: 'hooks',
  PYTHONPATH: import.meta.dirname,
  PYTHONDONTWRITEBYTECODE: '1',
  RESCIND_ISSUER: url,
  RESCIND_USERNAME: username,
  RESCIND_PASSWORD: password,
  RESCIND_CLIENT_ID: 'tester',
  RESCIND_CLIENT_SECRET: secret,
  RESCIND_FEED_ID: 'prices',
  RESCIND_FEED_SECRET: readFileSync(join(fleet.directory, 'prices', 'feed-client-secret'), 'utf8'),
  RESCIND_OPERATOR: fleet.operator.name,
  RESCIND_OPERATOR_SECRET: fleet.operator.secret,
};

interface Asked {
  /** Of its configuration and of its document. */
  readonly name: 'public' | 'admin';
  readonly base: string;
  readonly path: string;
  readonly options: readonly string[];
}

// The stream of the log is left out: it never ends.
const asked: readonly Asked[] = [
  { name: 'public', base: url, path: '/openapi.json', options: ['--exclude-path', '/revocations'] },
  { name: 'admin', base: fleet.adminUrl, path: '/admin/openapi.json', options: [] },
];

/** Two busy cores make its data slowly, which is no fault of the service. */
const PATIENT = ['--suppress-health-check', 'all'];

/** Fetches a document with the required credentials, and tests all its operations. @returns whether nothing was found */
async function findsNothing({ name, base, path, options: own }: Asked): Promise<boolean> {
  const authorization = basicAuthorization(fleet.operator.name, fleet.operator.secret);
  const { status, body } = await request(base + path, { headers: { authorization } });
  if (status !== 200) throw new Error(`${path} answered ${status}`);
  const document = join(here, `${name}.json`);
  writeFileSync(document, JSON.stringify(body));
  const configuration = join(import.meta.dirname, `${name}.toml`);
  // Every check is on, but for those that the configuration turns off: `--checks all` would turn them on again.
  const given = ['--config-file', configuration, 'run', document, '--url', base, ...PATIENT, ...own, ...options];
  const running = spawn(command, given, { cwd: here, env: environment, stdio: 'inherit' });
  const [code] = await once(running, 'exit');
  return code === 0;
}

let failed = 0;
for (const each of asked) if (!(await findsNothing(each))) failed += 1;
const unforeseen = fleet.issuer.lines.filter((line) => line.includes('"request_failed"'));
for (const line of new Map(unforeseen.map((text) => [JSON.parse(text).message, text])).values()) {
  console.error(line.slice(0, 2_000));
}
const died = fleet.issuer.pid() === undefined;
if (died) console.error(fleet.issuer.lines.slice(-20).join('\n'));
rmSync(here, { recursive: true, force: true });
process.exitCode = failed === 0 && !died ? 0 : 1;
