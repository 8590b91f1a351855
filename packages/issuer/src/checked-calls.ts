import * as calls from './call-options.ts';
import type { Issuer, IssuerTransaction, SubjectRecord } from './issuer.ts';
import type { Client, ClientRegistrations } from './issuer-clients.ts';

/**
 * The public face of an issuer: every object that a caller passes is checked and copied first. A wrong one is a TypeError,
 * or the rejection of a method that answers a promise.
 */
export function withCheckedCalls<Sql>(issuer: Issuer<Sql>): Issuer<Sql> {
  const { clients, sessions, revocations, keys } = issuer;
  return {
    ...issuer,
    transaction: (work) => issuer.transaction((tx) => work(withCheckedTransaction(tx))),
    beginSession: async (login) => issuer.beginSession(calls.beginSessionOptions(login)),
    refresh: async (request) => issuer.refresh(calls.refreshOptions(request)),
    renew: async (request) => issuer.renew(calls.renewOptions(request)),
    reauthenticate: async (proved) => issuer.reauthenticate(calls.reauthenticationOptions(proved)),
    requireReauthentication: async (demand) => issuer.requireReauthentication(calls.reauthenticationDemand(demand)),
    endSession: async (end) => issuer.endSession(calls.endSessionOptions(end)),
    endAllSessions: async (end) => issuer.endAllSessions(calls.endAllSessionsOptions(end)),
    subjectChanged: async (change) => issuer.subjectChanged(calls.subjectChangeOptions(change)),
    revokeToken: async (revocation) => issuer.revokeToken(calls.revokeTokenOptions(revocation)),
    revoke: async (cutoffs) => issuer.revoke(calls.cutoffRequests(cutoffs)),
    preview: async (what) => issuer.preview(calls.previewRequest(what)),
    affectedSubjects: async (cutoffs, subs) =>
      issuer.affectedSubjects(calls.cutoffRequests(cutoffs), calls.subjects(subs)),
    introspect: async (token, asker) => issuer.introspect(token, calls.askerOptions(asker)),
    verify: async (token, options) => issuer.verify(token, options === undefined ? {} : calls.verifyOptions(options)),
    explain: async (question) => issuer.explain(calls.explainQuestion(question)),
    clients: {
      ...withCheckedClients(clients),
      authenticate: async (proof) => clients.authenticate(calls.clientProof(proof)),
    },
    sessions: {
      ...sessions,
      list: async (query) => sessions.list(query === undefined ? {} : calls.sessionQuery(query)),
      rename: async (renaming) => sessions.rename(calls.renameOptions(renaming)),
    },
    revocations: {
      ...revocations,
      list: async (query) => revocations.list(query === undefined ? {} : calls.revocationQuery(query)),
    },
    keys: {
      ...keys,
      rotate: async (rotation) => keys.rotate(calls.rotateKeyOptions(rotation)),
      revoke: async (revocation) => keys.revoke(calls.revokeKeyOptions(revocation)),
    },
  };
}

function withCheckedClients<Clients extends ClientRegistrations>(clients: Clients): Clients {
  return { ...clients, put: async (client: Client) => clients.put(calls.clientOptions(client)) };
}

function withCheckedTransaction<Sql>(tx: IssuerTransaction<Sql>): IssuerTransaction<Sql> {
  return {
    ...tx,
    beginSession: async (login) => tx.beginSession(calls.beginSessionOptions(login)),
    endSession: async (end) => tx.endSession(calls.endSessionOptions(end)),
    endAllSessions: async (end) => tx.endAllSessions(calls.endAllSessionsOptions(end)),
    revoke: async (cutoffs) => tx.revoke(calls.cutoffRequests(cutoffs)),
    subjectChanged: async (change) => tx.subjectChanged(calls.subjectChangeOptions(change)),
    requireReauthentication: async (demand) => tx.requireReauthentication(calls.reauthenticationDemand(demand)),
    reauthenticate: async (proved) => tx.reauthenticate(calls.reauthenticationOptions(proved)),
    stepUp: async (proved) => tx.stepUp(calls.stepUpOptions(proved)),
    reissue: async (of) => tx.reissue(calls.reissueOptions(of)),
    renameSession: async (renaming) => tx.renameSession(calls.renameOptions(renaming)),
    clients: withCheckedClients(tx.clients),
  };
}

/**
 * What the option `subject` returned. A mistake in it is the host's, not a wrong password of whoever logs in.
 * @throws TypeError for a record with wrong types
 */
export function requireSubjectRecord(record: SubjectRecord | undefined): SubjectRecord | undefined {
  if (record === undefined) return undefined;
  if (typeof record !== 'object' || record === null) throw new TypeError('subject must return a record or undefined');
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
