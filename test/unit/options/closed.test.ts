import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import {
  createEventDecoder,
  createEventEncoder,
  createFollowerCore,
  createRevocationsHandler,
  httpWay,
  openFollower,
} from '@rescind/feed';
import { kafkaWay, openPublisher } from '@rescind/feed-kafka';
import { openGuard } from '@rescind/guard';
import { guard } from '@rescind/guard/express';
import { openTestKit } from '@rescind/guard/testing';
import { createRelayCore, openIssuer, restoreIssuer } from '@rescind/issuer';
import { silentTelemetry, systemClock } from '@rescind/revocation';
import {
  createSigner,
  createThreadSigner,
  createVerifier,
  gate,
  generateSigningKey,
  openBulkVerifier,
  openKeySource,
} from '@rescind/token';
import { afterAll, expect, test } from 'vitest';

type Options = Readonly<Record<string, unknown>>;

const DIRECTORY = mkdtempSync(join(tmpdir(), 'rescind-'));
afterAll(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const method = () => undefined;
const clock = systemClock;
const telemetry = silentTelemetry;
const ISSUER = 'https://login.example';
const NOWHERE = join(DIRECTORY, 'denylist.db');
const way = { name: 'http', open: method };
const keys = { find: method, kids: method };
const store = { load: method, quarantined: method, commit: method, enforce: method, flush: method, owed: method };
const source = { log: ISSUER, snapshot: method, read: method, heartbeat: method, onAppend: method, prove: method };
const publisher = { publish: method, tail: method, replay: method, close: method };
const kafka = {
  brokers: ['127.0.0.1:9092'],
  clientId: 'a',
  topic: 't',
  ssl: { ca: '-----BEGIN ' },
  sasl: { mechanism: 'plain', username: 'a', password: 'b' },
};
const signingKey = generateSigningKey('ES256');
const introspection = {
  clientId: 'a',
  clientSecret: 'b',
  url: ISSUER,
  timeoutMs: 1,
  maxConcurrent: 1,
  maxWaiting: 1,
  breakAfter: 1,
  breakMs: 1,
};
const profile = {
  issuerUrl: ISSUER,
  jwksUrl: ISSUER,
  typ: ['JWT'],
  algorithms: ['RS256'],
  requiredClaims: ['sub'],
  claimValues: { a: 'b' },
  claimNames: { a: 'b' },
  skewMs: 1,
  maxTokenBytes: 1_000,
};
const softExpiry = { claim: 'a', maxAgeMs: 1, maxUses: 1 };
const route = {
  stale: 'deny',
  critical: true,
  introspect: 'always',
  scopes: ['a'],
  claimEquals: { a: 'b' },
  claimIncludes: { a: ['b'] },
  claimCheck: method,
  maxAuthAgeSeconds: 1,
  acrValues: ['a'],
  softExpiry,
};
const expressRoute = { ...route, optional: true, getToken: method, onRevoked: method };
const guardOptions = {
  ...{ issuer: ISSUER, audience: 'prices', feed: { first: way }, denylistPath: NOWHERE, ...profile, introspection },
  ...{
    maxMemoryEntries: 1,
    eventJwksUrl: ISSUER,
    issuers: [{ issuer: `${ISSUER}/2`, audience: 'a' }],
    fetch: method,
    stale: 'deny',
    softExpiry,
  },
  ...{
    maxStalenessMs: 1,
    criticalStalenessMs: 1,
    degradedAfterMs: 1,
    silenceMs: 1,
    cache: { maxEntries: 1, maxBytes: 1 },
    clock,
    telemetry,
  },
};
const verifier = {
  keys,
  issuer: ISSUER,
  audience: 'a',
  typ: ['JWT'],
  typMayBeAbsent: true,
  kidMayBeAbsent: true,
  algorithms: ['RS256'],
  expires: 'required',
  toleranceMs: 1,
  expiryToleranceMs: 1,
  maxBytes: 100,
};
const places = {
  issuer: ISSUER,
  databasePath: join(DIRECTORY, 'users.db'),
  keysPath: join(DIRECTORY, 'keys'),
  publisher,
  eventRetentionMs: 3_600_000,
  keyRotation: { algorithm: 'RS256' },
  clock,
  telemetry,
};
const kit = openTestKit();

/** Every public function that takes an options object, with right options. Each is called with wrong ones alone. */
const FUNCTIONS: Readonly<Record<string, readonly [call: (options: never) => unknown, right: Options]>> = {
  openGuard: [openGuard, guardOptions],
  'guard(options)': [(options) => guard(options), { ...guardOptions, ...expressRoute }],
  'guard(opened, route)': [(options) => guard(kit.guard, options), expressRoute],
  'decide(token, route)': [(options) => kit.guard.decide('', options), route],
  'checkRoute(route)': [(options) => kit.guard.checkRoute(options), route],
  openTestKit: [openTestKit, { at: 1, ttlMs: 1, issuer: ISSUER, audience: 'a' }],
  httpWay: [httpWay, { issuer: ISSUER, clientId: 'a', clientSecret: 'b', fetch: method, clock, telemetry, stallMs: 1 }],
  createRevocationsHandler: [
    createRevocationsHandler,
    { source, authenticate: method, clock, telemetry, heartbeatMs: 1, readersPerClient: 1, stuckMs: 1 },
  ],
  createRelayCore: [createRelayCore, { limit: 1 }],
  createEventDecoder: [createEventDecoder, { log: ISSUER, issuers: [ISSUER], keys }],
  createEventEncoder: [createEventEncoder, { log: ISSUER, sign: method }],
  createFollowerCore: [createFollowerCore, { log: ISSUER, first: 'http', silenceMs: 1 }],
  openFollower: [
    openFollower,
    {
      log: ISSUER,
      issuers: [ISSUER],
      feed: { first: way },
      store,
      keys,
      clock,
      telemetry,
      silenceMs: 1,
      maxStalenessMs: 1,
    },
  ],
  kafkaWay: [kafkaWay, { ...kafka, clock, telemetry, sessionTimeoutMs: 1, stallMs: 1, openingMs: 1 }],
  openPublisher: [
    openPublisher,
    {
      ...kafka,
      log: ISSUER,
      minRetentionMs: 1,
      createTopic: { retentionMs: 1 },
      replicationFactor: 1,
      minInsyncReplicas: 1,
      publishTimeoutMs: 1,
      checkEveryMs: 1,
      clock,
      telemetry,
    },
  ],
  openDenylist: [openDenylist, { path: NOWHERE, maxMemoryEntries: 1, clock, telemetry }],
  createVerifier: [createVerifier, verifier],
  openBulkVerifier: [openBulkVerifier, { ...verifier, telemetry }],
  openKeySource: [
    openKeySource,
    {
      url: ISSUER,
      documents: { read: method, write: method },
      documentName: 'a',
      name: 'a',
      fetch: method,
      clock,
      telemetry,
      cooldownMs: 1,
      refreshMs: 1,
      timeoutMs: 1,
      maxBytes: 1,
    },
  ],
  createSigner: [(options) => createSigner(signingKey, options), { typ: 'JWT' }],
  createThreadSigner: [(options) => createThreadSigner(signingKey, options), { typ: 'JWT' }],
  gate: [(options) => gate('', options), { maxBytes: 1 }],
  openIssuer: [
    openIssuer,
    {
      ...places,
      subject: method,
      accessTokenTtlMs: 60_000,
      refreshTokenTtlMs: 60_000,
      refreshIdleTtlMs: 60_000,
      refreshGraceMs: 1,
      clients: [{ clientId: 'a', name: 'A', authMethod: 'none' }],
    },
  ],
  restoreIssuer: [
    restoreIssuer,
    { ...places, otherIssuers: [{ issuer: ISSUER, longestTokenTtlMs: 1 }], proofs: ['a'] },
  ],
};

const WRONG: readonly unknown[] = [
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0.5,
  'text of no option',
  '',
  true,
  [],
  {},
  [[]],
  [null],
  Symbol('s'),
  method,
];

/** Wrong values are those of another type, and those of the same type that no option takes. */
function wrongFor(right: unknown): readonly unknown[] {
  if (typeof right === 'number')
    return WRONG.filter((value) => typeof value !== 'number' || !Number.isFinite(value) || value < 0);
  if (typeof right === 'string') return WRONG.filter((value) => typeof value !== 'string' || value === '');
  if (typeof right === 'function') return WRONG.filter((value) => typeof value !== 'function');
  if (typeof right === 'boolean') return WRONG.filter((value) => typeof value !== 'boolean');
  return WRONG.filter(
    (value) => !(typeof value === 'object' && value !== null && !Array.isArray(value) && !Array.isArray(right)),
  );
}

async function expectTypeError(work: () => unknown, what: string): Promise<void> {
  let failure: unknown;
  try {
    await work();
  } catch (error) {
    failure = error;
  }
  expect(failure, what).toBeInstanceOf(TypeError);
}

/** Options that take several types, or an empty list. */
const SEVERAL: ReadonlySet<string> = new Set([
  'audience',
  'typ',
  'ssl',
  'softExpiry',
  'cache',
  'clientSecret',
  'issuer',
  'clients',
  'proofs',
]);

test.each(Object.entries(FUNCTIONS))(
  '%s refuses every misspelt name and every wrong type',
  async (name, [call, right]) => {
    for (const option of Object.keys(right)) {
      const { [option]: value, ...others } = right;
      const misspelt = `${option.slice(0, -1)}${option.endsWith('x') ? 'y' : 'x'}`;
      await expectTypeError(() => call({ ...others, [misspelt]: value } as never), `${name} ${misspelt}`);
      if (SEVERAL.has(option)) continue;
      for (const wrong of wrongFor(value)) {
        await expectTypeError(() => call({ ...right, [option]: wrong } as never), `${name} ${option} ${String(wrong)}`);
      }
    }
    await expectTypeError(() => call({ ...right, unknownOption: undefined, other: 1 } as never), `${name} other`);
    for (const given of [null, 'text', 5, [], new Map(), Object.create(right)]) {
      await expectTypeError(() => call(given as never), `${name} of ${String(given)}`);
    }
  },
);
