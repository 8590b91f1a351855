import { RescindError } from '@rescind/revocation';
import { revokeKeyOptions, rotateKeyOptions } from '../call-options.ts';
import type { IssuerContext, KeyContext } from '../context.ts';
import type { IssuerKeys, KeyCommands, KeyView } from '../issuer-keys.ts';
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
    async rotate(options) {
      const { purpose, alg } = rotateKeyOptions(options);
      const configured = algorithmOf(purpose, keyContext);
      const requested = alg ?? configured;
      if (purpose === 'event' && requested !== 'RS256') {
        throw new TypeError(`alg of an event key must be RS256, got ${requested}`);
      }
      const next = await keys.next(purpose);
      const isPublished = next !== undefined && (alg === undefined || next.alg === alg);
      const cause = requested === configured ? 'command' : 'choice';
      const kid = isPublished ? next.kid : await publishNext(keyContext, tx, { purpose, alg: requested, cause });
      // The schedule counts the time of publication from here.
      tx.afterCommit(runKeySchedule);
      return view(await requireKey(keys, kid));
    },
    async revoke(options) {
      const { kid, reason } = revokeKeyOptions(options);
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
