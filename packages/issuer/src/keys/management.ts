import { RescindError } from '@rescind/revocation';
import type { IssuerKeys, KeyPurpose, KeyRevocation, KeyView } from '../issuer-keys.ts';
import type { CutoffRequest, RevocationRecord } from '../issuer-revocations.ts';
import type { KeyRow } from '../store/keys.ts';
import type { Transactions, Unit } from '../transactions.ts';
import type { KeyRoom } from './changes.ts';
import { algorithmOf, publishNext } from './changes.ts';
import type { KeyKeeper } from './keeper.ts';

interface ManagementOptions {
  readonly room: KeyRoom;
  readonly transactions: Transactions;
  readonly keeper: KeyKeeper;
  /** The cut-off by `kid`, which changes the keys in its transaction. */
  readonly revoke: (unit: Unit, cutoff: CutoffRequest) => RevocationRecord;
}

/** What an administrator does with the keys. */
export function createKeyManagement({ room, transactions, keeper, revoke }: ManagementOptions): IssuerKeys {
  const { keys } = room.store;
  const { publishBeforeMs } = room.settings.keyRotation;

  function toView({ cause: _, ...row }: KeyRow): KeyView {
    return row.state === 'next' ? { ...row, activatedAt: row.createdAt + publishBeforeMs } : row;
  }

  function requireKey(kid: string): KeyRow {
    const row = keys.find(kid);
    if (row === undefined) throw new RescindError('key_unknown');
    return row;
  }

  return {
    list: () => [...keys.all('token'), ...keys.all('event')].map(toView),
    async rotate({ purpose, alg, along }) {
      requirePurpose(purpose);
      const usual = algorithmOf(purpose, room);
      const wanted = alg ?? usual;
      requireAlgorithm(purpose, wanted);
      return transactions.run((unit) => {
        const held = keys.next(purpose);
        const isOne = held !== undefined && (alg === undefined || held.alg === alg);
        const cause = wanted === usual ? 'command' : 'choice';
        const kid = isOne ? held.kid : publishNext(room, unit, { purpose, alg: wanted, cause });
        // It counts as published from now on.
        unit.afterCommit(() => keeper.run());
        const view = toView(requireKey(kid));
        along?.(view);
        return view;
      });
    },
    revoke: ({ kid, reason, along }) =>
      transactions.runInTime((unit) => {
        const { purpose } = requireKey(kid);
        const next = keys.next(purpose)?.kid;
        const { txn, epoch, seq } = revoke(unit, { claim: 'kid', value: kid, reason });
        const withIt = next !== undefined && next !== kid && keys.stateOf(next) === 'revoked' ? [next] : [];
        const signingKid = keys.active(purpose) ?? '';
        const revocation: KeyRevocation = { txn, epoch, seq, revokedKids: [kid, ...withIt], signingKid };
        along?.(revocation);
        return revocation;
      }),
  };
}

function requirePurpose(purpose: KeyPurpose): void {
  if (purpose !== 'token' && purpose !== 'event') throw new TypeError(`purpose must be token or event, got ${purpose}`);
}

function requireAlgorithm(purpose: KeyPurpose, alg: string): void {
  if (purpose === 'event' && alg !== 'RS256') throw new TypeError(`alg of an event key must be RS256, got ${alg}`);
  if (alg !== 'RS256' && alg !== 'ES256') throw new TypeError(`alg must be RS256 or ES256, got ${alg}`);
}
