import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogSource, RevocationsHandler, Transport } from '@rescind/feed';
import { createBasicAuthenticator, createRevocationsHandler, httpTransport } from '@rescind/feed';
import { createEventEncoder } from '@rescind/feed/event';
import type { Clock } from '@rescind/revocation';
import { systemClock } from '@rescind/revocation';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { onTestFinished } from 'vitest';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import { toCutOff } from '../../support/cut-offs.ts';
import type { TestServer } from '../feed/server.ts';
import { openServer } from '../feed/server.ts';

export const AUDIENCE = 'prices';
const SECRET = 'a-secret-of-the-reader';
const HEARTBEAT_MS = 50;
export const TOKEN_LIFE_MS = 900_000;

// Making a key takes 100 ms: those of a file's tests are the same.
const tokenKeys = [generateSigningKey(), generateSigningKey()];
const eventKey = generateSigningKey();

/** A minimal issuer: tokens, keys, metadata, and a log served over HTTP. */
export interface TestIssuer {
  readonly url: string;
  /** Counts the requests for its keys. */
  readonly keyRequests: () => number;
  /** A token of user-1's session-1 for `prices`; claims given as undefined are left out. */
  token(claims?: Record<string, unknown>, typ?: string): string;
  /** Signs a payload as it is. */
  sign(payload: object, typ?: string, key?: SigningKey): string;
  readonly key: SigningKey;
  revoke(entry: Partial<CutOffEntry> & Pick<CutOffEntry, 'claim' | 'value'>): void;
  /** From now on signs tokens with a second key; `published`: its set has it. */
  rotate(published: boolean): void;
  publish(): void;
  /** From now on its set has this key alone. */
  publishOnly(key: SigningKey): void;
  /** The members of its metadata beside `issuer`; undefined: it has no metadata. */
  metadata: Record<string, unknown> | undefined;
  /** Other documents by their path. */
  readonly documents: Map<string, () => unknown>;
  /** Starts or stops serving the log; everything else continues. */
  feedIsOpen: boolean;
  /** Stops, and ends all connections, until it is started again at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
  transport(): Transport;
  /** The log itself, for a server of another protocol. */
  source(): LogSource;
}

export async function openTestIssuer(clock: Clock = systemClock): Promise<TestIssuer> {
  const log = createLog(clock);
  let url = '';
  let server: TestServer;
  let handler: RevocationsHandler;
  let key = tokenKeys[0] as SigningKey;
  let published = [key];
  let keyRequests = 0;
  let feedIsOpen = true;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    if (path.startsWith('/revocations')) {
      if (feedIsOpen) handler.handle(request, response);
      else response.writeHead(503).end();
      return;
    }
    const document = documentAt(path);
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(document === undefined ? '{}' : JSON.stringify(document));
  }

  function documentAt(path: string): unknown {
    if (path === '/.well-known/event-jwks.json') return publicJwks([eventKey]);
    if (path === '/.well-known/jwks.json') {
      keyRequests += 1;
      return publicJwks(published);
    }
    if (path === '/.well-known/oauth-authorization-server' && issuer.metadata !== undefined) {
      return { issuer: url, ...issuer.metadata };
    }
    return issuer.documents.get(path)?.();
  }

  async function start(): Promise<void> {
    const authenticate = createBasicAuthenticator({ prices: SECRET });
    handler = createRevocationsHandler({ source: log.source(url), authenticate, clock, heartbeatMs: HEARTBEAT_MS });
    server = await openServer(answer, server?.port);
    url = server.url;
    log.name(url);
  }
  async function stop(): Promise<void> {
    handler.close();
    await server.kill();
  }

  const issuer: TestIssuer = {
    get url() {
      return url;
    },
    get key() {
      return key;
    },
    get feedIsOpen() {
      return feedIsOpen;
    },
    set feedIsOpen(open: boolean) {
      feedIsOpen = open;
      if (open) return;
      handler.close();
      const authenticate = createBasicAuthenticator({ prices: SECRET });
      handler = createRevocationsHandler({ source: log.source(url), authenticate, clock, heartbeatMs: HEARTBEAT_MS });
    },
    metadata: undefined,
    documents: new Map(),
    keyRequests: () => keyRequests,
    sign: (payload, typ = 'at+jwt', by = key) => createSigner(by, { typ })(payload),
    token: (claims = {}, typ = 'at+jwt') => createSigner(key, { typ })({ ...standardClaims(url, clock), ...claims }),
    revoke: (denial) => log.append(denial),
    rotate(isPublished) {
      key = tokenKeys[1] as SigningKey;
      if (isPublished) published = [...tokenKeys];
    },
    publish() {
      published = [...tokenKeys];
    },
    publishOnly(one) {
      published = [one];
    },
    stop,
    start,
    source: () => log.source(url),
    transport: () => httpTransport({ issuer: url, clientId: 'prices', clientSecret: SECRET, clock }),
  };
  await start();
  onTestFinished(stop);
  return issuer;
}

function standardClaims(iss: string, clock: Clock) {
  const at = clock.now();
  return {
    iss,
    sub: 'user-1',
    aud: AUDIENCE,
    client_id: 'app-1',
    scope: 'prices:read',
    jti: randomUUID(),
    sid: 'session-1',
    iat: Math.floor(at / 1000),
    iat_ms: at,
    exp: Math.ceil((at + TOKEN_LIFE_MS) / 1000),
  };
}

/** A log of record in memory, of the issuer that has its name. */
function createLog(clock: Clock) {
  const sign = createSigner(eventKey, { typ: 'secevent+jwt' });
  const listeners = new Set<() => void>();
  const rows: { seq: number; id: string; jws: string }[] = [];
  const epoch = '0000000001-aaaa';
  let log = '';
  const encoder = () => createEventEncoder({ log, sign });
  const snapshot = () => {
    const last = rows.at(-1);
    return { epoch, head: last?.seq ?? 0, headId: last?.id ?? null, lowWatermark: 1 };
  };

  const source = (name: string): LogSource => ({
    log: name,
    snapshot,
    read: (after, limit) => rows.slice(after, after + limit),
    heartbeat() {
      const at = clock.now();
      const now = snapshot();
      return { jws: encoder().heartbeat({ ...now, at }), epoch, head: now.head };
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    receiveEvidence: () => undefined,
  });

  return {
    source,
    name(url: string) {
      log = url;
    },
    append(entry: Partial<CutOffEntry> & Pick<CutOffEntry, 'claim' | 'value'>) {
      const at = clock.now();
      const id = randomUUID();
      const last = rows.at(-1);
      const seq = (last?.seq ?? 0) + 1;
      const full = { iss: log, expiresAt: at + TOKEN_LIFE_MS, endsSession: true, ...entry };
      const place = { epoch, seq, id, prev: last?.id ?? null, txn: randomUUID(), reason: 'logout', at };
      rows.push({ seq, id, jws: encoder().event({ ...place, cutOffs: [toCutOff(full)] }) });
      for (const listener of listeners) listener();
    },
  };
}
