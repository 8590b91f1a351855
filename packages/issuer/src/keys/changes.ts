import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { KeyContext } from '../context.ts';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { EpochDraft } from '../log/epoch.ts';
import { appendClosingEvent, openNextEpoch } from '../log/epoch.ts';
import { EVENT_ALGORITHM } from '../log/source.ts';
import type { KeyCause, KeyRow, StoreTransaction } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import { loadKeyrings } from './keyring.ts';

interface NextKey {
  readonly purpose: KeyPurpose;
  readonly alg: SigningAlgorithm;
  readonly cause: KeyCause;
}

export function algorithmOf(purpose: KeyPurpose, { settings }: KeyContext): SigningAlgorithm {
  return purpose === 'token' ? settings.keyRotation.algorithm : EVENT_ALGORITHM;
}

/** Publishes a key that signs nothing yet, as the next one. A different key that was the next one is removed. */
export async function publishNext(
  context: KeyContext,
  tx: Transaction,
  { purpose, alg, cause }: NextKey,
): Promise<string> {
  const { keys } = tx.store;
  const dropped = await keys.next(purpose);
  if (dropped !== undefined) await keys.delete(dropped.kid);
  const { kid } = context.keyrings[purpose].make(alg);
  await keys.insert({ kid, purpose, alg, state: 'next', cause, createdAt: tx.now() });
  afterChange(context, tx, purpose, () => {
    context.settings.telemetry.log('info', 'key_published', { purpose, kid, alg, cause });
  });
  return kid;
}

/**
 * Lets the next key sign from now on; the former one stays published. An event key signs a new epoch.
 * @param draft the draft of that epoch
 */
export async function activateNext(
  context: KeyContext,
  tx: Transaction,
  next: KeyRow,
  draft?: EpochDraft,
): Promise<void> {
  const { keys } = tx.store;
  const { kid, purpose } = next;
  // Events that were planned earlier are signed by the former key.
  await tx.flush();
  const at = tx.now();
  const former = await keys.active(purpose);
  if (former !== undefined) await keys.retire(former, await retirementOf(purpose, at, tx.store, context));
  await keys.activate(kid, at);
  if (purpose === 'event') await openNextEpoch(tx, draft);
  afterRotation(context, tx, { ...next, former });
}

/**
 * Stops publishing a compromised key; if it is the one that signs, a new key replaces it in this transaction. The
 * next key is then revoked too, because its file is in the same directory.
 *
 * @returns the kids of the other keys that were revoked with it
 */
export async function replaceRevoked(context: KeyContext, tx: Transaction, kid: string): Promise<string[]> {
  const { keys } = tx.store;
  const row = await keys.find(kid);
  if (row === undefined || row.state === 'revoked') return [];
  const { purpose, state } = row;
  const next = state === 'active' ? await keys.next(purpose) : undefined;
  const revoked = [row, ...(next === undefined ? [] : [next])];
  if (purpose === 'event' && state === 'active') await appendClosingEvent(tx, kid);
  for (const key of revoked) await keys.revoke(key.kid);
  if (state === 'active') await replaceActive(context, tx, purpose, kid);
  afterChange(context, tx, purpose, () => {
    for (const key of revoked) context.settings.telemetry.log('warn', 'key_revoked', { purpose, kid: key.kid, state });
  });
  return next === undefined ? [] : [next.kid];
}

async function replaceActive(context: KeyContext, tx: Transaction, purpose: KeyPurpose, former: string): Promise<void> {
  const alg = algorithmOf(purpose, context);
  const { kid } = context.keyrings[purpose].make(alg);
  const cause = 'revocation';
  await tx.store.keys.insert({ kid, purpose, alg, state: 'active', cause, createdAt: tx.now() });
  if (purpose === 'event') await openNextEpoch(tx);
  afterRotation(context, tx, { purpose, kid, alg, cause, former });
}

/** Returns a time after which no reader accepts anything that the key has signed. */
export async function retirementOf(
  purpose: KeyPurpose,
  at: EpochMillis,
  tx: StoreTransaction,
  { settings }: KeyContext,
): Promise<EpochMillis> {
  // No token of any key is valid for longer.
  if (purpose === 'token') return Math.max(await tx.meta.greatestExp(), at) + CLOCK_TOLERANCE_MS;
  // Kafka deletes whole segments, so a topic retains records for longer than configured.
  return at + 2 * settings.eventRetentionMs + CLOCK_TOLERANCE_MS;
}

/** Updates the keyrings after the commit. */
export function afterChange(
  { store, keyrings }: KeyContext,
  tx: Transaction,
  purpose: KeyPurpose,
  then: () => void,
): void {
  tx.afterCommit(async () => {
    await loadKeyrings(store.read.keys, keyrings);
    keyrings[purpose].reconcileFiles();
    then();
  });
}

interface Rotated extends NextKey {
  readonly kid: string;
  readonly former: string | undefined;
}

function afterRotation(context: KeyContext, tx: Transaction, { purpose, kid, alg, cause, former }: Rotated): void {
  const { telemetry } = context.settings;
  afterChange(context, tx, purpose, () => {
    telemetry.count('rescind_key_rotations_total', { purpose, cause });
    telemetry.log('info', 'key_rotated', { purpose, kid, alg, cause, former: former ?? null });
  });
}
