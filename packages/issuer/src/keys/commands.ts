import { RescindError } from '@rescind/revocation';
import { revokeKeyOptions, rotateKeyOptions } from '../call-options.ts';
import type { IssuerContext, KeyContext } from '../context.ts';
import type { IssuerKeys, KeyCommands, KeyPurpose, KeyView } from '../issuer-keys.ts';
import { revoke } from '../revoke/revoke.ts';
import type { KeyReads, KeyRow } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import { algorithmOf, publishNext } from './changes.ts';

export function createKeyList({ store, settings }: KeyContext): IssuerKeys {
  const { keys } = store.read;
  const view = toView(settings.keyRotation.publishBeforeMs);
  return { list: async () => [...(await keys.all('token')), ...(await keys.all('event'))].map(view) };
}

/** What an administrator does with the keys, in one transaction. */
export function keyCommandsIn(context: IssuerContext, tx: Transaction): KeyCommands {
  const { keys: keyContext, runKeySchedule } = context;
  const { keys } = tx.store;
  const view = toView(keyContext.settings.keyRotation.publishBeforeMs);
  return {
    async rotate(given) {
      const { purpose, alg } = rotateKeyOptions(given);
      requirePurpose(purpose);
      const configured = algorithmOf(purpose, keyContext);
      const wanted = alg ?? configured;
      requireAlgorithm(purpose, wanted);
      const next = await keys.next(purpose);
      const isPublished = next !== undefined && (alg === undefined || next.alg === alg);
      const cause = wanted === configured ? 'command' : 'choice';
      const kid = isPublished ? next.kid : await publishNext(keyContext, tx, { purpose, alg: wanted, cause });
      // It counts as published from now on.
      tx.afterCommit(runKeySchedule);
      return view(await requireKey(keys, kid));
    },
    async revoke(given) {
      const { kid, reason } = revokeKeyOptions(given);
      const { purpose } = await requireKey(keys, kid);
      const next = (await keys.next(purpose))?.kid;
      const record = await revoke(context, tx, { claim: 'kid', value: kid, reason });
      const isNextRevoked = next !== undefined && next !== kid && (await keys.find(next))?.state === 'revoked';
      const revokedKids = isNextRevoked ? [kid, next] : [kid];
      return Object.assign(record, { revokedKids, signingKid: (await keys.active(purpose)) ?? '' });
    },
  };
}

const toView =
  (publishBeforeMs: number) =>
  ({ cause: _, ...row }: KeyRow): KeyView =>
    row.state === 'next' ? { ...row, activatedAt: row.createdAt + publishBeforeMs } : row;

async function requireKey(keys: KeyReads, kid: string): Promise<KeyRow> {
  const row = await keys.find(kid);
  if (row === undefined) throw new RescindError('key_unknown');
  return row;
}

function requirePurpose(purpose: KeyPurpose): void {
  if (purpose !== 'token' && purpose !== 'event') throw new TypeError(`purpose must be token or event, got ${purpose}`);
}

function requireAlgorithm(purpose: KeyPurpose, alg: string): void {
  if (purpose === 'event' && alg !== 'RS256') throw new TypeError(`alg of an event key must be RS256, got ${alg}`);
  if (alg !== 'RS256' && alg !== 'ES256') throw new TypeError(`alg must be RS256 or ES256, got ${alg}`);
}
