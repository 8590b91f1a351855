import * as calls from './call-options.ts';
import type { Issuer, IssuerTransaction, IssuerWrites, SubjectRecord } from './issuer.ts';
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
    ...withCheckedWrites(issuer),
    refresh: async (request) => issuer.refresh(calls.refreshOptions(request)),
    renew: async (request) => issuer.renew(calls.renewOptions(request)),
    revokeToken: async (revocation) => issuer.revokeToken(calls.revokeTokenOptions(revocation)),
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

function withCheckedWrites(writes: IssuerWrites): IssuerWrites {
  return {
    beginSession: async (login) => writes.beginSession(calls.beginSessionOptions(login)),
    endSession: async (end) => writes.endSession(calls.endSessionOptions(end)),
    endAllSessions: async (end) => writes.endAllSessions(calls.endAllSessionsOptions(end)),
    revoke: async (cutoffs) => writes.revoke(calls.cutoffRequests(cutoffs)),
    subjectChanged: async (change) => writes.subjectChanged(calls.subjectChangeOptions(change)),
    requireReauthentication: async (demand) => writes.requireReauthentication(calls.reauthenticationDemand(demand)),
    reauthenticate: async (proved) => writes.reauthenticate(calls.reauthenticationOptions(proved)),
  };
}

function withCheckedClients<Clients extends ClientRegistrations>(clients: Clients): Clients {
  return { ...clients, put: async (client: Client) => clients.put(calls.clientOptions(client)) };
}

function withCheckedTransaction<Sql>(tx: IssuerTransaction<Sql>): IssuerTransaction<Sql> {
  return {
    ...tx,
    ...withCheckedWrites(tx),
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
