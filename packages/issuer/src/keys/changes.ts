import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { EpochDraft } from '../log/epoch-draft.ts';
import { appendLastWord } from '../log/event-key-denials.ts';
import { turnEpoch } from '../log/turn-epoch.ts';
import type { Settings } from '../options.ts';
import type { KeyCause, KeyRow } from '../store/keys.ts';
import type { Store, StoreTransaction } from '../store/store.ts';
import type { Unit } from '../transactions.ts';
import { EVENT_ALGORITHM } from './event-signing.ts';
import type { Keyring } from './keyring.ts';
import { loadKeyrings } from './keyring.ts';

/** What the keys are changed with. */
export interface KeyRoom {
  readonly store: Pick<Store, 'read'>;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly settings: Pick<Settings, 'keyRotation' | 'eventRetentionMs' | 'telemetry'>;
}

interface NextKey {
  readonly purpose: KeyPurpose;
  readonly alg: SigningAlgorithm;
  readonly cause: KeyCause;
}

export function algorithmOf(purpose: KeyPurpose, { settings }: KeyRoom): SigningAlgorithm {
  return purpose === 'token' ? settings.keyRotation.algorithm : EVENT_ALGORITHM;
}

/** Publishes a key that signs nothing yet; one that was to be the next, and is another, is forgotten. */
export async function publishNext(room: KeyRoom, unit: Unit, { purpose, alg, cause }: NextKey): Promise<string> {
  const { keys } = unit.store;
  const dropped = await keys.next(purpose);
  if (dropped !== undefined) await keys.delete(dropped.kid);
  const { kid } = room.keyrings[purpose].make(alg);
  await keys.insert({ kid, purpose, alg, state: 'next', cause, createdAt: unit.now() });
  afterChange(room, unit, purpose, () => {
    room.settings.telemetry.log('info', 'key_published', { purpose, kid, alg, cause });
  });
  return kid;
}

/**
 * The next key signs from now on, and the one before stays published. Of events: in an epoch of its own.
 * @param draft of that epoch
 */
export async function activateNext(room: KeyRoom, unit: Unit, next: KeyRow, draft?: EpochDraft): Promise<void> {
  const { keys } = unit.store;
  const { kid, purpose } = next;
  // What was planned before is signed by the key of before.
  await unit.flush();
  const at = unit.now();
  const former = await keys.active(purpose);
  if (former !== undefined) await keys.retire(former, await retirementOf(purpose, at, unit.store, room));
  await keys.activate(kid, at);
  if (purpose === 'event') await turnEpoch(unit, draft);
  afterRotation(room, unit, { ...next, former });
}

/**
 * A compromised key: published no more, and if it is the one that signs, a new one takes its place in this transaction. The
 * next one lay beside it, so it is not to be trusted either.
 *
 * @returns the kids that went with it
 */
export async function replaceRevoked(room: KeyRoom, unit: Unit, kid: string): Promise<string[]> {
  const { keys } = unit.store;
  const row = await keys.find(kid);
  if (row === undefined || row.state === 'revoked') return [];
  const { purpose, state } = row;
  const next = state === 'active' ? await keys.next(purpose) : undefined;
  const revoked = [row, ...(next === undefined ? [] : [next])];
  if (purpose === 'event' && state === 'active') await appendLastWord(unit, kid);
  for (const key of revoked) await keys.revoke(key.kid);
  if (state === 'active') await replaceActive(room, unit, purpose, kid);
  afterChange(room, unit, purpose, () => {
    for (const key of revoked) room.settings.telemetry.log('warn', 'key_revoked', { purpose, kid: key.kid, state });
  });
  return next === undefined ? [] : [next.kid];
}

async function replaceActive(room: KeyRoom, unit: Unit, purpose: KeyPurpose, former: string): Promise<void> {
  const alg = algorithmOf(purpose, room);
  const { kid } = room.keyrings[purpose].make(alg);
  const cause = 'revocation';
  await unit.store.keys.insert({ kid, purpose, alg, state: 'active', cause, createdAt: unit.now() });
  if (purpose === 'event') await turnEpoch(unit);
  afterRotation(room, unit, { purpose, kid, alg, cause, former });
}

/** A time after which nothing that the key has signed is of use to anybody. */
export async function retirementOf(
  purpose: KeyPurpose,
  at: EpochMillis,
  tx: StoreTransaction,
  { settings }: KeyRoom,
): Promise<EpochMillis> {
  // No token of any key is valid for longer.
  if (purpose === 'token') return Math.max(await tx.meta.greatestExp(), at) + CLOCK_TOLERANCE_MS;
  // Kafka forgets by whole segments, so a topic remembers for longer than it is told to.
  return at + 2 * settings.eventRetentionMs + CLOCK_TOLERANCE_MS;
}

/** The keyrings follow what is committed. */
export function afterChange({ store, keyrings }: KeyRoom, unit: Unit, purpose: KeyPurpose, then: () => void): void {
  unit.afterCommit(async () => {
    await loadKeyrings(store.read.keys, keyrings);
    keyrings[purpose].settle();
    then();
  });
}

interface Rotated extends NextKey {
  readonly kid: string;
  readonly former: string | undefined;
}

function afterRotation(room: KeyRoom, unit: Unit, { purpose, kid, alg, cause, former }: Rotated): void {
  const { telemetry } = room.settings;
  afterChange(room, unit, purpose, () => {
    telemetry.count('rescind_key_rotations_total', { purpose, cause });
    telemetry.log('info', 'key_rotated', { purpose, kid, alg, cause, former: former ?? null });
  });
}
