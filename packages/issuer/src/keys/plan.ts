import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { KeyCause, KeyRow } from '../store/keys.ts';

/** What is due for the keys of one purpose. */
export type KeyStep =
  | { readonly kind: 'publish'; readonly cause: KeyCause }
  | { readonly kind: 'activate'; readonly key: KeyRow }
  /** Signs no more, and nobody has said until when it is of use. */
  | { readonly kind: 'retire'; readonly kid: string }
  | { readonly kind: 'forget'; readonly kid: string };

export interface KeyPlan {
  readonly everyMs: DurationMs | 'never';
  readonly publishBeforeMs: DurationMs;
  readonly algorithm: SigningAlgorithm;
  readonly now: EpochMillis;
  /** For how long this process has published it: a wall clock that is set makes no reader fetch anything. */
  publishedForMs(kid: string): DurationMs;
}

/** Pure: the same keys at the same time want the same. */
export function planKeys(rows: readonly KeyRow[], plan: KeyPlan): KeyStep[] {
  const active = rows.find(({ state }) => state === 'active');
  const next = rows.find(({ state }) => state === 'next');
  const steps = rows.filter(({ state }) => state === 'former').flatMap((row) => planFormer(row, plan));
  if (next === undefined) {
    const cause = active && causeToPublish(active, plan);
    if (cause !== undefined) steps.push({ kind: 'publish', cause });
  } else if (isKnownToReaders(next, plan)) steps.push({ kind: 'activate', key: next });
  return steps;
}

/** When the active key is to be replaced, as far as is known; null: nobody has said so. */
export function nextRotationAt(rows: readonly KeyRow[], plan: Omit<KeyPlan, 'publishedForMs'>): EpochMillis | null {
  const next = rows.find(({ state }) => state === 'next');
  if (next !== undefined) return next.createdAt + plan.publishBeforeMs;
  const since = rows.find(({ state }) => state === 'active')?.activatedAt;
  return plan.everyMs === 'never' || since === undefined || since === null ? null : since + plan.everyMs;
}

function planFormer({ kid, retiresAt }: KeyRow, { now }: KeyPlan): KeyStep[] {
  if (retiresAt === null) return [{ kind: 'retire', kid }];
  return retiresAt <= now ? [{ kind: 'forget', kid }] : [];
}

function causeToPublish(active: KeyRow, { everyMs, publishBeforeMs, algorithm, now }: KeyPlan): KeyCause | undefined {
  // One that was chosen stays until its time is over.
  if (active.alg !== algorithm && active.cause !== 'choice') return 'algorithm';
  const dueAt = everyMs === 'never' ? Number.POSITIVE_INFINITY : (active.activatedAt ?? 0) + everyMs;
  return now >= dueAt - publishBeforeMs ? 'schedule' : undefined;
}

function isKnownToReaders({ kid, createdAt }: KeyRow, { now, publishBeforeMs, publishedForMs }: KeyPlan): boolean {
  return Math.min(now - createdAt, publishedForMs(kid)) >= publishBeforeMs;
}
