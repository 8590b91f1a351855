import { RescindError } from '@rescind/revocation';
import type { IssuerKeys, KeyPurpose, KeyView } from '../issuer-keys.ts';
import type { CutoffRequest, RevocationRecord } from '../issuer-revocations.ts';
import type { KeyReads, KeyRow } from '../store/keys.ts';
import type { Transactions, Unit } from '../transactions.ts';
import type { KeyRoom } from './changes.ts';
import { algorithmOf, publishNext } from './changes.ts';
import type { KeyKeeper } from './keeper.ts';

interface ManagementOptions {
  readonly room: KeyRoom;
  readonly transactions: Transactions;
  readonly keeper: KeyKeeper;
  /** The cut-off by `kid`, which changes the keys in its transaction. */
  readonly revoke: (unit: Unit, cutoff: CutoffRequest) => Promise<RevocationRecord>;
}

/** What an administrator does with the keys. */
export function createKeyManagement({ room, transactions, keeper, revoke }: ManagementOptions): IssuerKeys {
  const { keys } = room.store.read;
  const { publishBeforeMs } = room.settings.keyRotation;

  function toView({ cause: _, ...row }: KeyRow): KeyView {
    return row.state === 'next' ? { ...row, activatedAt: row.createdAt + publishBeforeMs } : row;
  }

  async function requireKey(held: KeyReads, kid: string): Promise<KeyRow> {
    const row = await held.find(kid);
    if (row === undefined) throw new RescindError('key_unknown');
    return row;
  }

  return {
    list: async () => [...(await keys.all('token')), ...(await keys.all('event'))].map(toView),
    async rotate({ purpose, alg, along }) {
      requirePurpose(purpose);
      const usual = algorithmOf(purpose, room);
      const wanted = alg ?? usual;
      requireAlgorithm(purpose, wanted);
      return transactions.run(async (unit) => {
        const held = await unit.store.keys.next(purpose);
        const isOne = held !== undefined && (alg === undefined || held.alg === alg);
        const cause = wanted === usual ? 'command' : 'choice';
        const kid = isOne ? held.kid : await publishNext(room, unit, { purpose, alg: wanted, cause });
        // It counts as published from now on.
        unit.afterCommit(() => keeper.run());
        const view = toView(await requireKey(unit.store.keys, kid));
        await along?.(view);
        return view;
      });
    },
    async revoke({ kid, reason, along }) {
      const { record, ...revoked } = await transactions.runInTime(async (unit) => {
        const { keys: held } = unit.store;
        const { purpose } = await requireKey(held, kid);
        const next = (await held.next(purpose))?.kid;
        const record = await revoke(unit, { claim: 'kid', value: kid, reason });
        const isWithIt = next !== undefined && next !== kid && (await held.find(next))?.state === 'revoked';
        const revokedKids = isWithIt ? [kid, next] : [kid];
        const signingKid = (await held.active(purpose)) ?? '';
        await along?.({ txn: record.txn, revokedKids, signingKid });
        return { record, revokedKids, signingKid };
      });
      const { txn, epoch, seq } = record;
      return { txn, epoch, seq, ...revoked };
    },
  };
}

function requirePurpose(purpose: KeyPurpose): void {
  if (purpose !== 'token' && purpose !== 'event') throw new TypeError(`purpose must be token or event, got ${purpose}`);
}

function requireAlgorithm(purpose: KeyPurpose, alg: string): void {
  if (purpose === 'event' && alg !== 'RS256') throw new TypeError(`alg of an event key must be RS256, got ${alg}`);
  if (alg !== 'RS256' && alg !== 'ES256') throw new TypeError(`alg must be RS256 or ES256, got ${alg}`);
}
