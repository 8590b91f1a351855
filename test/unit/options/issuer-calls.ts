import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IssuerTransaction } from '@rescind/issuer';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { silentTelemetry } from '@rescind/revocation';
import { afterAll } from 'vitest';
import type { Options } from './table.ts';

const directory = mkdtempSync(join(tmpdir(), 'rescind-'));
const issuer = await openIssuer({
  issuer: 'https://login.example',
  store: sqliteStore({ path: join(directory, 'users.db') }),
  keysPath: join(directory, 'keys'),
  subject: () => undefined,
  clients: [],
  telemetry: silentTelemetry,
});
afterAll(async () => {
  await issuer.close();
  rmSync(directory, { recursive: true, force: true });
});

type Call = readonly [call: (options: never) => unknown, right: Options];

const inTransaction =
  (work: (tx: IssuerTransaction, options: never) => unknown): Call[0] =>
  (options) =>
    issuer.transaction((tx) => work(tx, options));
const begin = {
  sub: 'a',
  clientId: 'a',
  audience: 'a',
  resource: ['a'],
  scope: 'a',
  deviceName: 'a',
  deviceId: 'a',
  origin: { address: 'a', userAgent: 'a' },
  storage: 'body',
  policy: { accessTokenTtlMs: 60_000, rotation: true },
  credentialVersion: 1,
  amr: ['a'],
  acr: 'a',
  replacesSid: 'a',
};
const client = {
  clientId: 'a',
  name: 'a',
  authMethod: 'none',
  secretHashes: [],
  jwks: { keys: [] },
  mayIntrospect: true,
  scope: 'a',
  audience: ['a'],
  policy: { storage: 'body' },
  disabled: true,
};
const reauthentication = { sid: 'a', sub: 'a', credentialVersion: 1, amr: ['a'], acr: 'a', resource: ['a'] };
const cutoff = { claim: 'sub', value: 'a', reason: 'a', endsSession: true, expiresAt: 1, issuer: 'a' };
const endAll = { sub: 'a', exceptSid: 'a', reason: 'a' };
const change = { sub: 'a', kind: 'soft', reason: 'a', exceptSid: 'a' };
const renaming = { sid: 'a', sub: 'a', deviceName: 'a' };

/** Every method of the issuer and of its transaction that takes an object, with a right one. */
export const ISSUER_CALLS: Readonly<Record<string, Call>> = {
  'issuer.refresh': [issuer.refresh, { refreshToken: 'a', clientId: 'a', scope: 'a', resource: ['a'], via: 'body' }],
  'issuer.renew': [issuer.renew, { accessToken: 'a', clientId: 'a', scope: 'a', resource: ['a'] }],
  'issuer.preview': [issuer.preview, cutoff],
  'issuer.affectedSubjects': [(options) => issuer.affectedSubjects(options, []), cutoff],
  'issuer.introspect': [(options) => issuer.introspect('a', options), { clientId: 'a' }],
  'issuer.verify': [(options) => issuer.verify('a', options), { audience: 'a' }],
  'issuer.explain': [issuer.explain, { claims: {}, kid: 'a' }],
  'issuer.clients.authenticate': [
    issuer.clients.authenticate,
    { method: 'client_secret_basic', clientId: 'a', secret: 'a' },
  ],
  'issuer.sessions.list': [
    issuer.sessions.list,
    { sub: 'a', clientId: 'a', ended: true, currentSid: 'a', after: 'a', limit: 1 },
  ],
  'issuer.revocations.list': [issuer.revocations.list, { after: 'a', limit: 1 }],
  'tx.beginSession': [inTransaction((tx, options) => tx.beginSession(options)), begin],
  'tx.endSession': [inTransaction((tx, options) => tx.endSession(options)), { sid: 'a', sub: 'a', reason: 'a' }],
  'tx.endAllSessions': [inTransaction((tx, options) => tx.endAllSessions(options)), endAll],
  'tx.revoke': [inTransaction((tx, options) => tx.revoke(options)), cutoff],
  'tx.revokeToken': [
    inTransaction((tx, options) => tx.revokeToken(options)),
    { token: 'a', clientId: 'a', reason: 'a' },
  ],
  'tx.subjectChanged': [inTransaction((tx, options) => tx.subjectChanged(options)), change],
  'tx.requireReauthentication': [
    inTransaction((tx, options) => tx.requireReauthentication(options)),
    { reason: 'a', sid: 'a' },
  ],
  'tx.reauthenticate': [inTransaction((tx, options) => tx.reauthenticate(options)), reauthentication],
  'tx.issueClientToken': [
    inTransaction((tx, options) => tx.issueClientToken(options)),
    { clientId: 'web', scope: 'a', resource: ['a'] },
  ],
  'tx.stepUp': [inTransaction((tx, options) => tx.stepUp(options)), { ...reauthentication, scope: 'a' }],
  'tx.reissue': [
    inTransaction((tx, options) => tx.reissue(options)),
    { sid: 'a', sub: 'a', scope: 'a', resource: ['a'] },
  ],
  'tx.renameSession': [inTransaction((tx, options) => tx.renameSession(options)), renaming],
  'tx.clients.put': [inTransaction((tx, options) => tx.clients.put(options)), client],
  'tx.keys.rotate': [inTransaction((tx, options) => tx.keys.rotate(options)), { purpose: 'token', alg: 'RS256' }],
  'tx.keys.revoke': [inTransaction((tx, options) => tx.keys.revoke(options)), { kid: 'a', reason: 'a' }],
};
