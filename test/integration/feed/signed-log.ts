import { randomUUID } from 'node:crypto';
import type { LogSource } from '@rescind/feed';
import type { FetchedSet } from '@rescind/feed/core';
import { createEventEncoder, createPageSigner } from '@rescind/feed/event';
import type { FollowerKeys } from '@rescind/feed/follower';
import type { CutOff } from '@rescind/revocation/cut-off';
import { createKeySet } from '@rescind/token';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { toCutOff } from '../../support/cut-offs.ts';

export const LOG = 'https://issuer.test';
const HOUR = 3_600_000;

/** A log of record in memory that signs as the issuer does. */
export interface SignedLog extends LogSource {
  /** Appends one event: a logout of this session, or these cut-offs. Returns its seq. */
  append(sid: string | readonly CutOff[]): number;
  /** Puts the database back to how it was at a seq, as a restored backup does. */
  restoreTo(seq: number): void;
  /** Opens a new epoch with a new key. */
  changeEpoch(epoch: string): void;
  /** The event keys for a follower; it fetches those that it does not know yet. */
  readonly keys: FollowerKeys;
  readonly proofs: readonly string[];
}

export function logout(sid: string): CutOff {
  return toCutOff({ iss: LOG, claim: 'sid', value: sid, expiresAt: Date.now() + HOUR, endsSession: true });
}

/** @param signsPages whether it signs pages, as an issuer of this version does. Default true */
export function createSignedLog({ signsPages = true } = {}): SignedLog {
  const listeners = new Set<() => void>();
  const proofs: string[] = [];
  const signingKeys: SigningKey[] = [];
  let { encoder, signPage } = newEpochKey();
  let epoch = '0000000001-aaaa';
  let rows: { seq: number; id: string; jws: string }[] = [];
  let fetched = keySet();
  const keyListeners = new Set<(set: FetchedSet) => void>();

  function newEpochKey() {
    const key = generateSigningKey();
    signingKeys.push(key);
    const sign = (payload: object, typ: string) => createSigner(key, { typ })(payload);
    return {
      encoder: createEventEncoder({ log: LOG, sign: createSigner(key, { typ: 'secevent+jwt' }) }),
      signPage: createPageSigner({ log: LOG, kid: key.kid, sign }),
    };
  }
  function keySet() {
    return createKeySet(publicJwks(signingKeys));
  }
  const snapshot = () => {
    const last = rows.at(-1);
    return { epoch, head: last?.seq ?? 0, headId: last?.id ?? null, lowWatermark: 1 };
  };
  const tell = () => {
    for (const listener of listeners) listener();
  };

  return {
    log: LOG,
    snapshot,
    read: (after, limit) => rows.slice(after, after + limit),
    ...(signsPages && { signPage: (events: readonly string[]) => signPage(events) }),
    heartbeat() {
      const at = Date.now();
      const now = snapshot();
      return { jws: encoder.heartbeat({ ...now, at }), epoch, head: now.head };
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    receiveEvidence: (jws) => void proofs.push(jws),
    append(what) {
      const last = rows.at(-1);
      const seq = (last?.seq ?? 0) + 1;
      const id = randomUUID();
      const jws = encoder.event({
        epoch,
        seq,
        id,
        prev: last?.id ?? null,
        txn: randomUUID(),
        reason: 'logout',
        at: Date.now(),
        cutOffs: typeof what === 'string' ? [logout(what)] : what,
      });
      rows.push({ seq, id, jws });
      tell();
      return seq;
    },
    restoreTo(seq) {
      rows = rows.slice(0, seq);
      tell();
    },
    changeEpoch(next) {
      epoch = next;
      rows = [];
      ({ encoder, signPage } = newEpochKey());
      tell();
    },
    keys: {
      find: (kid, alg) => fetched.find(kid, alg),
      kids: () => fetched.kids(),
      ready: async () => undefined,
      async refetch() {
        const begunAt = performance.now();
        fetched = keySet();
        for (const listener of keyListeners)
          listener({ kids: fetched.kids(), epoch, epochKid: fetched.kids().at(-1) ?? null, begunAt });
        return true;
      },
      onFetched(listener) {
        keyListeners.add(listener);
        return () => void keyListeners.delete(listener);
      },
    },
    proofs,
  };
}
