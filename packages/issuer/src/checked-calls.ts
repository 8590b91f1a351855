import * as calls from './call-options.ts';
import type { Issuer, IssuerTransaction, SubjectRecord } from './issuer.ts';

/**
 * The public face of an issuer: every object that a caller passes is checked and copied first. A wrong one is a TypeError,
 * or the rejection of a method that answers a promise.
 */
export function withCheckedCalls(issuer: Issuer): Issuer {
  const { clients, sessions, revocations, keys } = issuer;
  return {
    ...issuer,
    transaction: (work) => issuer.transaction((tx) => work(withCheckedTransaction(tx))),
    beginSession: (login) => issuer.beginSession(calls.beginSessionOptions(login)),
    refresh: async (request) => issuer.refresh(calls.refreshOptions(request)),
    renew: async (request) => issuer.renew(calls.renewOptions(request)),
    reauthenticate: async (proved) => issuer.reauthenticate(calls.reauthenticationOptions(proved)),
    requireReauthentication: async (demand) => issuer.requireReauthentication(calls.reauthenticationDemand(demand)),
    endSession: async (end) => issuer.endSession(calls.endSessionOptions(end)),
    endAllSessions: async (end) => issuer.endAllSessions(calls.endAllSessionsOptions(end)),
    subjectChanged: async (change) => issuer.subjectChanged(calls.subjectChangeOptions(change)),
    revokeToken: async (revocation) => issuer.revokeToken(calls.revokeTokenOptions(revocation)),
    revoke: async (cutoffs) => issuer.revoke(calls.cutoffRequests(cutoffs)),
    preview: (what) => issuer.preview(calls.previewRequest(what)),
    affectedSubjects: (cutoffs, subs) => issuer.affectedSubjects(calls.cutoffRequests(cutoffs), calls.subjects(subs)),
    introspect: (token, asker) => issuer.introspect(token, calls.askerOptions(asker)),
    verify: (token, options) => issuer.verify(token, options === undefined ? {} : calls.verifyOptions(options)),
    explain: (question) => issuer.explain(calls.explainQuestion(question)),
    clients: {
      ...clients,
      put: (client) => clients.put(calls.clientOptions(client)),
      authenticate: (proof) => clients.authenticate(calls.clientProof(proof)),
    },
    sessions: {
      ...sessions,
      list: (query) => sessions.list(query === undefined ? {} : calls.sessionQuery(query)),
      rename: (renaming) => sessions.rename(calls.renameOptions(renaming)),
    },
    revocations: {
      ...revocations,
      list: (query) => revocations.list(query === undefined ? {} : calls.revocationQuery(query)),
    },
    keys: {
      ...keys,
      rotate: async (rotation) => keys.rotate(calls.rotateKeyOptions(rotation)),
      revoke: async (revocation) => keys.revoke(calls.revokeKeyOptions(revocation)),
    },
  };
}

function withCheckedTransaction(tx: IssuerTransaction): IssuerTransaction {
  return {
    ...tx,
    beginSession: (login) => tx.beginSession(calls.beginSessionOptions(login)),
    endSession: (end) => tx.endSession(calls.endSessionOptions(end)),
    endAllSessions: (end) => tx.endAllSessions(calls.endAllSessionsOptions(end)),
    revoke: (cutoffs) => tx.revoke(calls.cutoffRequests(cutoffs)),
    subjectChanged: (change) => tx.subjectChanged(calls.subjectChangeOptions(change)),
    requireReauthentication: (demand) => tx.requireReauthentication(calls.reauthenticationDemand(demand)),
    reauthenticate: (proved) => tx.reauthenticate(calls.reauthenticationOptions(proved)),
    stepUp: (proved) => tx.stepUp(calls.stepUpOptions(proved)),
    reissue: (of) => tx.reissue(calls.reissueOptions(of)),
    renameSession: (renaming) => tx.renameSession(calls.renameOptions(renaming)),
    putClient: (client) => tx.putClient(calls.clientOptions(client)),
  };
}

/**
 * What the option `subject` returned. A mistake in it is the host's, not a wrong password of whoever logs in.
 * @throws TypeError for a promise (it is called inside transactions, which are synchronous) and for a record with wrong types
 */
export function requireSubjectRecord(record: SubjectRecord | undefined): SubjectRecord | undefined {
  if (record === undefined) return undefined;
  if (record instanceof Promise) record.catch(() => undefined);
  const isObject = typeof record === 'object' && record !== null;
  if (!isObject || typeof Reflect.get(record, 'then') === 'function') {
    throw new TypeError('subject must return a record or undefined, and no promise: it is called inside transactions');
  }
  const { claims, credentialVersion, active, reason } = record;
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new TypeError('subject must return a record whose claims are an object');
  }
  if (!Number.isSafeInteger(credentialVersion)) {
    throw new TypeError('subject must return a record whose credentialVersion is a whole number');
  }
  if (typeof active !== 'boolean') throw new TypeError('subject must return a record whose active is true or false');
  if (reason !== undefined && typeof reason !== 'string') {
    throw new TypeError('subject must return a record whose reason is text, or absent');
  }
  return record;
}
