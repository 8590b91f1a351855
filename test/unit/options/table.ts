import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAccounts } from '@rescind/accounts';
import { createSession } from '@rescind/client';
import { appLifecycle } from '@rescind/client/react-native';
import { createFakeIssuer } from '@rescind/client/test';
import { openDenylist } from '@rescind/denylist';
import { openFleet } from '@rescind/dev-fleet';
import { openBroker } from '@rescind/dev-kafka';
import { createRevocationsHandler, httpTransport } from '@rescind/feed';
import { createFollowerCore } from '@rescind/feed/core';
import { createEventDecoder, createEventEncoder, createPageSigner } from '@rescind/feed/event';
import { openFollower } from '@rescind/feed/follower';
import { createMemoryLog, memoryTransport } from '@rescind/feed/testing';
import { kafkaTransport, openPublisher } from '@rescind/feed-kafka';
import { createGuard } from '@rescind/guard';
import { guard } from '@rescind/guard/express';
import { isRevoked } from '@rescind/guard/express-jwt';
import { requireToken } from '@rescind/guard/fastify';
import { guarded, requireToken as requireTokenOfRequest } from '@rescind/guard/fetch';
import { apolloContext, guardContext, requireAuth } from '@rescind/guard/graphql';
import { tokenGuard } from '@rescind/guard/nestjs';
import { guardStrategy } from '@rescind/guard/passport';
import { guardSockets } from '@rescind/guard/socket.io';
import { guardLongPoll, guardSse } from '@rescind/guard/sse';
import { openTestKit } from '@rescind/guard/testing';
import { guardWs } from '@rescind/guard/ws';
import { openIssuer, restoreIssuer } from '@rescind/issuer';
import { accessToken, errorHandler, issuerProbes, issuerRouter } from '@rescind/issuer/express';
import { createIssuerEndpoints, createIssuerHandler, issuerProbe } from '@rescind/issuer/http';
import { createRelayCore, memoryStore, openTestIssuer } from '@rescind/issuer/testing';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { silentTelemetry, systemClock } from '@rescind/revocation';
import { createTelemetry } from '@rescind/service';
import { setting } from '@rescind/service/configuration';
import { openApiDocument, operation } from '@rescind/service/http';
import { createVerifier, openBulkVerifier, openKeySource, parseCompactJws } from '@rescind/token';
import { createDirectSigner, createSigner, createThreadSigner, generateSigningKey } from '@rescind/token/signing';
import { Server } from 'socket.io';
import { afterAll } from 'vitest';
import { WebSocketServer } from 'ws';
import { z } from 'zod';

export type Options = Readonly<Record<string, unknown>>;

const DIRECTORY = mkdtempSync(join(tmpdir(), 'rescind-'));
afterAll(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const method = () => undefined;
const clock = systemClock;
const telemetry = silentTelemetry;
const ISSUER = 'https://login.example';
const NOWHERE = join(DIRECTORY, 'denylist.db');
const transport = { name: 'http', open: method };
const keys = { find: method, kids: method };
const store = {
  load: method,
  quarantined: method,
  commit: method,
  enforce: method,
  flush: method,
  pendingRows: method,
};
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
const socketOptions = {
  ...route,
  onEnd: method,
  origins: ['https://app.example'],
  allowNoOrigin: true,
  maxMessageBytes: 1,
  maxMessagesPerSecond: 1,
  maxBufferedBytes: 1,
};
const io = new Server(createServer());
const guardOptions = {
  ...{
    issuer: ISSUER,
    audience: 'prices',
    feed: { primary: transport },
    denylistPath: NOWHERE,
    ...profile,
    introspection,
  },
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
  store: { open: method },
  keysPath: join(DIRECTORY, 'keys'),
  publisher,
  eventRetentionMs: 3_600_000,
  keyRotation: { algorithm: 'RS256' },
  clock,
  telemetry,
};
const plain = { about: 'a', default: 'a', needs: ['A'] };
const kit = openTestKit();
const decision = kit.guard.decide(kit.token());
if (!decision.accepted) throw decision.error;
const { token: accepted } = decision;
const response = new ServerResponse(new IncomingMessage(new Socket()));
const { issuer } = await openTestIssuer();
const issuerEndpoints = {
  scopes: ['a'],
  publishBeforeMs: 1,
  defaultClientId: 'a',
  onClientRefused: method,
  onRecovered: method,
  telemetry,
};
const issuerHttp = { ...issuerEndpoints, feedClients: { a: 'b' }, cors: ['https://app.example'], clock };

/** Every public function that takes an options object, with right options. Each is called with wrong ones alone. */
export const FUNCTIONS: Readonly<Record<string, readonly [call: (options: never) => unknown, right: Options]>> = {
  createGuard: [createGuard, guardOptions],
  createSession: [
    createSession,
    {
      issuer: ISSUER,
      clientId: 'web',
      mode: 'body',
      storage: { name: 'a', read: method, replace: method },
      apis: [ISSUER],
      accountAudience: 'a',
      leadMs: 1,
      fetch: method,
      clock: { now: method, monotonic: method, setTimeout: method, clearTimeout: method },
      random: method,
      lifecycle: { onWake: method, isActive: method },
      lock: method,
    },
  ],
  createFakeIssuer: [
    createFakeIssuer,
    {
      clock: { now: method, monotonic: method, setTimeout: method, clearTimeout: method },
      api: ISSUER,
      lifeSeconds: 1,
      mode: 'body',
    },
  ],
  appLifecycle: [appLifecycle, { appState: { addEventListener: method }, netInfo: { addEventListener: method } }],
  'guard(options)': [(options) => guard(options), { ...guardOptions, ...expressRoute }],
  'guard(opened, route)': [(options) => guard(kit.guard, options), expressRoute],
  'requireToken(guard, route) of Fastify': [(options) => requireToken(kit.guard, options), expressRoute],
  'requireToken(guard, route) of fetch': [(options) => requireTokenOfRequest(kit.guard, options), expressRoute],
  'guarded(guard, route)': [(options) => guarded(kit.guard, options, () => new Response()), expressRoute],
  'isRevoked(guard, route)': [(options) => isRevoked(kit.guard, options), expressRoute],
  'guardStrategy(guard, options)': [
    (options) => guardStrategy(kit.guard, options),
    { ...expressRoute, name: 'a', findUser: method },
  ],
  'tokenGuard(guard, route)': [(options) => tokenGuard(kit.guard, options), expressRoute],
  'guardContext(guard, route)': [(options) => guardContext(kit.guard, options), expressRoute],
  'apolloContext(guard, route)': [(options) => apolloContext(kit.guard, options), expressRoute],
  'requireAuth(context, route)': [(options) => requireAuth({ auth: undefined }, options), route],
  'guardSockets(io, guard, options)': [
    (options) => guardSockets(io, kit.guard, options),
    { ...socketOptions, polling: true },
  ],
  'guardWs(server, guard, options)': [
    (options) => guardWs(new WebSocketServer({ noServer: true }), kit.guard, options),
    socketOptions,
  ],
  'guardSse(response, guard, token, options)': [
    (options) => guardSse(response, kit.guard, accepted, options),
    { ...route, onEnd: method, heartbeatMs: 1, maxBufferedBytes: 1 },
  ],
  'guardLongPoll(response, guard, token, options)': [
    (options) => guardLongPoll(response, kit.guard, accepted, options),
    { ...route, onEnd: method },
  ],
  'decide(token, route)': [(options) => kit.guard.decide('', options), route],
  'checkRoute(route)': [(options) => kit.guard.checkRoute(options), route],
  openTestIssuer: [
    openTestIssuer,
    {
      at: 1,
      issuer: ISSUER,
      subject: method,
      accessTokenTtlMs: 1_000,
      keyRotation: { algorithm: 'ES256' },
      publisher,
      telemetry,
    },
  ],
  memoryStore: [memoryStore, { beforeStatement: method }],
  openTestKit: [openTestKit, { at: 1, ttlMs: 1, issuer: ISSUER, audience: 'a' }],
  httpTransport: [
    httpTransport,
    { issuer: ISSUER, clientId: 'a', clientSecret: 'b', fetch: method, clock, telemetry, stallMs: 1 },
  ],
  createRevocationsHandler: [
    createRevocationsHandler,
    {
      source,
      authenticate: method,
      clock,
      telemetry,
      heartbeatMs: 1,
      readersPerClient: 1,
      standbyPerClient: 1,
      stuckMs: 1,
    },
  ],
  createRelayCore: [createRelayCore, { limit: 1 }],
  createEventDecoder: [createEventDecoder, { log: ISSUER, issuers: [ISSUER], keys }],
  createEventEncoder: [createEventEncoder, { log: ISSUER, sign: method }],
  createPageSigner: [createPageSigner, { log: ISSUER, kid: 'key-1', sign: method }],
  memoryTransport: [memoryTransport, { log: createMemoryLog(), name: 'memory', abilities: { stallMs: 1 } }],
  createFollowerCore: [
    createFollowerCore,
    { log: ISSUER, feed: { primary: transport, fallback: { ...transport, name: 'other' } }, silenceMs: 1 },
  ],
  openFollower: [
    openFollower,
    {
      log: ISSUER,
      issuers: [ISSUER],
      feed: { primary: transport },
      store,
      keys,
      clock,
      telemetry,
      silenceMs: 1,
      maxStalenessMs: 1,
    },
  ],
  kafkaTransport: [kafkaTransport, { ...kafka, clock, telemetry, sessionTimeoutMs: 1, stallMs: 1, openingMs: 1 }],
  openPublisher: [
    openPublisher,
    {
      ...kafka,
      log: ISSUER,
      minRetentionMs: 1,
      createTopic: true,
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
  createDirectSigner: [(options) => createDirectSigner(signingKey, options), { typ: 'JWT' }],
  createThreadSigner: [(options) => createThreadSigner(signingKey, options), { typ: 'JWT' }],
  parseCompactJws: [(options) => parseCompactJws('', options), { maxBytes: 1 }],
  openIssuer: [
    openIssuer,
    {
      ...places,
      subject: method,
      accessTokenTtlMs: 60_000,
      refreshTokenTtlMs: 60_000,
      refreshIdleTtlMs: 60_000,
      refreshGraceMs: 1,
      refreshRecoveryMs: 1,
      trustedClock: 'issuer',
      clients: [{ clientId: 'a', name: 'A', authMethod: 'none' }],
    },
  ],
  issuerRouter: [(options) => issuerRouter(issuer, options), issuerHttp],
  createIssuerHandler: [(options) => createIssuerHandler(issuer, options), issuerHttp],
  createIssuerEndpoints: [(options) => createIssuerEndpoints(issuer, options), issuerEndpoints],
  issuerProbe: [(options) => issuerProbe(issuer, options), { telemetry, checks: method }],
  issuerProbes: [(options) => issuerProbes(issuer, options), { telemetry, checks: method }],
  accessToken: [(options) => accessToken(issuer, options), { audience: 'a' }],
  errorHandler: [(options) => errorHandler(options), { telemetry }],
  openAccounts: [
    openAccounts,
    {
      issuer: { transaction: method, refusingWrites: method, canWrite: method },
      sql: { prepare: method, exec: method },
      keysPath: DIRECTORY,
      scopes: { defaults: ['a'], always: ['b'] },
      totpIssuer: 'login.example',
      resetTtlMs: 60_000,
      notMeTtlMs: 60_000,
      accessTokenTtlMs: 60_000,
      webhook: { url: 'https://notices.example/', secret: method, attempts: 1, retryMs: 1 },
      clock,
      telemetry,
    },
  ],
  sqliteStore: [sqliteStore, { path: NOWHERE, schema: ['CREATE TABLE users (name)'] }],
  restoreIssuer: [
    restoreIssuer,
    { ...places, otherIssuers: [{ issuer: ISSUER, longestTokenTtlMs: 1 }], proofs: ['a'] },
  ],
  openBroker: [
    openBroker,
    {
      brokers: 1,
      prefer: 'java',
      own: true,
      users: { admin: 'a' },
      properties: { a: 'b' },
      environment: { kafkaBrokers: 'a', cacheDirectory: 'b' },
      log: method,
    },
  ],
  openFleet: [
    openFleet,
    {
      brokers: ['127.0.0.1:9092'],
      topic: 't',
      prices: 1,
      orders: 1,
      environment: { A: 'b' },
      issuerEnvironment: { A: 'b' },
      guardedEnvironment: { A: 'b' },
      others: [{ name: 'a', main: 'b' }],
      clients: { web: {} },
      web: false,
      game: 1,
      started: false,
    },
  ],
  createTelemetry: [
    createTelemetry,
    { service: 'a', level: 'info', metrics: ['guard'], destination: { write: method } },
  ],
  openApiDocument: [
    openApiDocument,
    {
      title: 'a',
      version: '1',
      description: 'b',
      servers: [ISSUER],
      operations: [],
      tags: { a: 'b' },
      scopes: { a: 'b' },
    },
  ],
  operation: [
    operation,
    {
      id: 'a',
      method: 'get',
      path: '/a',
      summary: 'a',
      description: 'a',
      tag: 'a',
      security: 'bearer',
      scopes: ['a'],
      params: z.object({}),
      query: z.object({}),
      body: { type: 'json', schema: z.object({}), optional: true },
      responses: { 200: { description: 'a' } },
      errors: ['internal'],
      use: [method],
      handle: method,
    },
  ],
  'setting.choice': [setting.choice, { ...plain, of: ['a'] }],
  'setting.count': [setting.count, { ...plain, atLeast: 1, atMost: 2 }],
  'setting.duration': [setting.duration, { ...plain, atLeast: '1s', atMost: '2s' }],
  'setting.durationOrNever': [setting.durationOrNever, { ...plain, atLeast: '1s', atMost: '2s' }],
  'setting.flag': [setting.flag, plain],
  'setting.list': [setting.list, { ...plain, pattern: /a/, such: ' a' }],
  'setting.logLevel': [setting.logLevel, plain],
  'setting.path': [setting.path, plain],
  'setting.pem': [setting.pem, plain],
  'setting.port': [setting.port, plain],
  'setting.secret': [setting.secret, { ...plain, minLength: 1 }],
  'setting.text': [setting.text, { ...plain, pattern: /a/, such: ' a' }],
  'setting.url': [setting.url, plain],
};
