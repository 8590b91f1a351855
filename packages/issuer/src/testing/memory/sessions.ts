import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { Minted, Session, SessionClaim, Sessions } from '../../store/sessions.ts';
import { UNUSED_SESSION } from '../../store/sessions.ts';
import type { Access, SessionRow } from './state.ts';
import { ascending, keyOf } from './state.ts';

export function createSessions({ state, draft }: Access): Sessions {
  const all = () => [...state().sessions.values()].sort((a, b) => ascending(a.sid, b.sid));
  const of = (claim: SessionClaim, value: string) =>
    all().filter((row) => claim === 'iss' || row[COLUMNS[claim]] === value);
  const live = (claim: SessionClaim, value: string, at: EpochMillis) =>
    of(claim, value).filter((row) => isLive(row, at));

  function patch(sid: string, columns: Partial<SessionRow>): void {
    const row = state().sessions.get(sid);
    if (row !== undefined) draft().sessions.set(sid, { ...row, ...columns });
  }

  function storeUsedDigest(sid: string, digest: Buffer): void {
    const key = keyOf(sid, digest);
    if (state().usedDigests.has(key)) throw new Error(`session ${sid} has used this before`);
    draft().usedDigests.set(key, sid);
  }

  function raiseGreatestExp(exp: EpochMillis): void {
    if (exp > state().meta.greatestExp) draft().meta = { ...state().meta, greatestExp: exp };
  }

  return {
    find: async (sid) => toSession(state().sessions.get(sid)),
    findBySelector: async (selector) => toSession(all().find((row) => row.selector === selector)),
    findByFormerSelector: async () => undefined,
    isUsed: async (sid, digest) => state().usedDigests.has(keyOf(sid, digest)),
    async liveSids(sub, exceptSid, at) {
      return live('sub', sub, at).flatMap(({ sid }) => (sid === exceptSid ? [] : [sid]));
    },
    async listSids(claim, value, limit) {
      const rows = of(claim, value).filter(({ greatestExp }) => greatestExp > 0);
      return rows.slice(0, limit).map(({ sid }) => sid);
    },
    async count(claim, value, at) {
      const rows = live(claim, value, at);
      return { sessions: rows.length, subjects: new Set(rows.map(({ sub }) => sub)).size };
    },
    async live(claim, value, at, after, limit) {
      const rows = live(claim, value, at).filter(({ sid }) => sid > after);
      return rows.slice(0, limit).map(withoutGreatestExp);
    },
    subjectOfNewest: async (jti) => all().find(({ newestJti }) => newestJti === jti)?.sub,
    async list({ sub, clientId, ended, after, limit, at }) {
      const rows = all()
        .filter(
          (row) => (sub === undefined || row.sub === sub) && (clientId === undefined || row.clientId === clientId),
        )
        .filter((row) => ended || isOpen(row, at))
        .sort((a, b) => b.createdAt - a.createdAt || ascending(b.sid, a.sid))
        .filter(
          ({ createdAt, sid }) =>
            after === undefined || createdAt < after.createdAt || (createdAt === after.createdAt && sid < after.sid),
        );
      return rows.slice(0, limit).map(withoutGreatestExp);
    },

    async lapsed(after, rows, overBefore) {
      const piece = all().filter(({ sid }) => sid > after);
      const over = piece.slice(0, rows).filter((row) => row.endedAt === null && isOver(row, overBefore));
      return over.map(withoutGreatestExp);
    },

    async insert(session) {
      const { sid, selector } = session;
      const isTaken = (row: SessionRow) => row.sid === sid || (selector !== null && row.selector === selector);
      if (all().some(isTaken)) throw new Error(`there is a session with this sid or selector: ${sid}`);
      draft().sessions.set(sid, { ...UNUSED_SESSION, ...session, greatestExp: session.createdAt });
    },
    async rotate(minted, { formerHash, formerDigest, nextHash, sealed }) {
      const row = state().sessions.get(minted.sid);
      if (row === undefined || row.endedAt !== null || row.verifierHash?.equals(formerHash) !== true) return false;
      const rotation = { verifierHash: nextHash, formerHash, rotatedAt: minted.at, sealed };
      patch(minted.sid, { ...mintedOf(row, minted), ...rotation });
      raiseGreatestExp(minted.exp);
      storeUsedDigest(minted.sid, formerDigest);
      return true;
    },
    async renew({ sid, presentedJti, presentedDigest, at }) {
      const row = state().sessions.get(sid);
      if (row === undefined || row.endedAt !== null || row.newestJti !== presentedJti) return false;
      patch(sid, { renewedJti: presentedJti, renewedAt: at });
      storeUsedDigest(sid, presentedDigest);
      return true;
    },
    async mint(minted) {
      raiseGreatestExp(minted.exp);
      const row = state().sessions.get(minted.sid);
      if (row !== undefined) patch(minted.sid, mintedOf(row, minted));
    },
    async reauthenticate({ sid, at, amr, acr, credentialVersion }) {
      patch(sid, { authTime: at, amr, acr, credentialVersion, reauthenticationReason: null });
    },
    async setCredentialVersion(sid, credentialVersion) {
      patch(sid, { credentialVersion });
    },
    async rename(sid, deviceName) {
      patch(sid, { deviceName });
    },
    async requireReauthentication(by, value, reason) {
      const rows = of(by, value).filter(({ endedAt }) => endedAt === null);
      for (const { sid } of rows) patch(sid, { reauthenticationReason: reason });
      return rows.length;
    },
    async end(claim, value, at, reason, begunUntil) {
      const rows = live(claim, value, at).filter(({ createdAt }) => createdAt <= begunUntil);
      for (const { sid } of rows) patch(sid, { endedAt: at, endReason: reason });
      return rows.length;
    },
    async sweep(after, rows, overBefore, sealedBefore) {
      const piece = all()
        .filter(({ sid }) => sid > after)
        .slice(0, rows);
      for (const row of piece) {
        if (isOver(row, overBefore)) forget(row.sid);
        else if (row.sealed !== null && (row.rotatedAt ?? sealedBefore) < sealedBefore)
          patch(row.sid, { sealed: null });
      }
      return piece.length < rows ? '' : (piece.at(-1)?.sid ?? '');
    },
  };

  function forget(sid: string): void {
    draft().sessions.delete(sid);
    for (const [key, owner] of state().usedDigests) if (owner === sid) draft().usedDigests.delete(key);
  }
}

const COLUMNS = { sid: 'sid', sub: 'sub', client_id: 'clientId' } as const;

function mintedOf(row: SessionRow, { at, idleExpiresAt, jti, exp, scope }: Minted): Partial<SessionRow> {
  const greatestExp = Math.max(row.greatestExp, exp);
  return { lastUsedAt: at, idleExpiresAt, newestJti: jti, newestExp: exp, newestScope: scope, greatestExp };
}

function isOpen(row: SessionRow, at: EpochMillis): boolean {
  return row.endedAt === null && row.idleExpiresAt > at && row.absoluteExpiresAt > at;
}

function isLive(row: SessionRow, at: EpochMillis): boolean {
  return isOpen(row, at) || (row.endedAt === null && row.greatestExp > at - CLOCK_TOLERANCE_MS);
}

function isOver(row: SessionRow, before: EpochMillis): boolean {
  const overAt = Math.min(row.endedAt ?? row.idleExpiresAt, row.idleExpiresAt, row.absoluteExpiresAt);
  return row.greatestExp < before && overAt < before;
}

const toSession = (row: SessionRow | undefined) => row && withoutGreatestExp(row);

function withoutGreatestExp({ greatestExp: _, ...session }: SessionRow): Session {
  return session;
}
