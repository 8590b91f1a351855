import type { EventEncoder } from '@rescind/feed/event';
import type { Clock, DurationMs, EpochMillis } from '@rescind/revocation';
import type { SigningAlgorithm, SigningKey } from '@rescind/token/signing';
import type { KeyContext } from '../context.ts';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { EpochDraft } from '../log/epoch.ts';
import { createEpochDraft } from '../log/epoch.ts';
import type { KeyCause, KeyRow } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import type { Transactions } from '../transactions.ts';
import { activateNext, afterChange, algorithmOf, publishNext, retirementOf } from './changes.ts';

/** Publishes, activates and retires keys by their schedule. */
export interface KeyScheduler {
  /** Does what is due, each step in a transaction of its own; cheap when nothing is. */
  run(): Promise<void>;
  /** When the active key of this purpose is to be replaced; null: not scheduled. */
  nextRotationAt(purpose: KeyPurpose): EpochMillis | null;
}

interface SchedulerOptions {
  readonly context: KeyContext;
  readonly transactions: Transactions;
  readonly clock: Clock;
  readonly now: () => EpochMillis;
  readonly encoderFor: (key: SigningKey) => EventEncoder;
}

/** `from`: the epoch that the draft follows. */
type PreparedStep = KeyStep & { readonly draft?: EpochDraft; readonly from?: string | undefined };

const PURPOSES: readonly KeyPurpose[] = ['token', 'event'];

export function createKeyScheduler({ context, transactions, clock, now, encoderFor }: SchedulerOptions): KeyScheduler {
  const { store, settings } = context;
  const { keyRotation, telemetry } = settings;
  /** When this process began to publish each next key, by the monotonic clock. */
  const publishedSince = new Map<string, DurationMs>();
  /** The epoch that the next event key will open, and the one it will follow. */
  let drafted: { readonly kid: string; readonly from: string | undefined; readonly draft: EpochDraft } | undefined;

  const timesOf = (purpose: KeyPurpose) => ({
    everyMs: purpose === 'token' ? keyRotation.everyMs : keyRotation.eventEveryMs,
    publishBeforeMs: keyRotation.publishBeforeMs,
    algorithm: algorithmOf(purpose, context),
    now: now(),
  });

  function publishedForMs(kid: string): DurationMs {
    const monotonic = clock.monotonic();
    const since = publishedSince.get(kid) ?? monotonic;
    publishedSince.set(kid, since);
    return monotonic - since;
  }

  /** Prepares a step. @returns the step to take; undefined: the step is not ready yet */
  async function prepare(purpose: KeyPurpose, step: KeyStep): Promise<PreparedStep | undefined> {
    if (step.kind !== 'activate') return step;
    const key = context.keyrings[purpose].signing(step.key.kid);
    // The file of the key was removed: another key is published, for the full time.
    if (key === undefined) return { kind: 'publish', cause: step.key.cause };
    if (purpose === 'token') return step;
    const epoch = (await store.read.meta.identity())?.epoch;
    if (drafted?.kid !== key.kid || drafted.from !== epoch) {
      const draft = await createEpochDraft({ reads: store.read, encoder: encoderFor(key), now });
      drafted = { kid: key.kid, from: epoch, draft };
    }
    const { draft } = drafted;
    return (await draft.advance()) ? { ...step, draft, from: epoch } : undefined;
  }

  /** Whether a step is still due: other transactions may have changed the rows since it was planned, such as revoked the key. */
  async function isDue(tx: Transaction, purpose: KeyPurpose, planned: KeyStep, { draft, from }: PreparedStep) {
    const rows = await tx.store.keys.all(purpose);
    const steps = planKeys(rows, { ...timesOf(purpose), publishedForMs });
    if (!steps.some((step) => step.kind === planned.kind && kidOf(step) === kidOf(planned))) return false;
    return draft === undefined || from === (await tx.store.meta.identity())?.epoch;
  }

  /** @param planned what `step` was prepared for */
  async function take(purpose: KeyPurpose, planned: KeyStep, step: PreparedStep): Promise<void> {
    const isDone = await transactions.run(async (tx) => {
      if (!(await isDue(tx, purpose, planned, step))) return false;
      switch (step.kind) {
        case 'publish':
          await publishNext(context, tx, { purpose, alg: algorithmOf(purpose, context), cause: step.cause });
          break;
        case 'activate':
          await activateNext(context, tx, step.key, step.draft);
          break;
        case 'retire':
          await tx.store.keys.retire(step.kid, await retirementOf(purpose, tx.now(), tx.store, context));
          break;
        case 'forget':
          await tx.store.keys.delete(step.kid);
          afterChange(context, tx, purpose, () => {
            telemetry.log('info', 'key_forgotten', { purpose, kid: step.kid });
          });
      }
      return true;
    });
    const kid = kidOf(step);
    if (isDone && kid !== undefined) publishedSince.delete(kid);
  }

  function recordAge(purpose: KeyPurpose, rows: readonly KeyRow[]): void {
    const since = rows.find(({ state }) => state === 'active')?.activatedAt;
    if (since !== undefined && since !== null) {
      telemetry.gauge('rescind_key_age_seconds', Math.max(0, now() - since) / 1000, { purpose });
    }
  }

  async function runOnce(): Promise<void> {
    for (const purpose of PURPOSES) {
      const rows = await store.read.keys.all(purpose);
      recordAge(purpose, rows);
      for (const step of planKeys(rows, { ...timesOf(purpose), publishedForMs })) {
        const prepared = await prepare(purpose, step);
        if (prepared !== undefined) await take(purpose, step, prepared);
      }
    }
  }

  /** The last run. Runs are queued: two at once would sign the same draft. */
  let last: Promise<void> = Promise.resolve();
  return {
    run() {
      const running = last.then(runOnce);
      last = running.catch(() => undefined);
      return running;
    },
    nextRotationAt: (purpose) => nextRotationAt(context.keyrings[purpose].rows(), timesOf(purpose)),
  };
}

function kidOf(step: KeyStep): string | undefined {
  if (step.kind === 'publish') return undefined;
  return step.kind === 'activate' ? step.key.kid : step.kid;
}

/** A step that is due for the keys of one purpose. */
type KeyStep =
  | { readonly kind: 'publish'; readonly cause: KeyCause }
  | { readonly kind: 'activate'; readonly key: KeyRow }
  /** A former key whose end of publication is not decided yet. */
  | { readonly kind: 'retire'; readonly kid: string }
  | { readonly kind: 'forget'; readonly kid: string };

interface KeyPlan {
  readonly everyMs: DurationMs | 'never';
  readonly publishBeforeMs: DurationMs;
  readonly algorithm: SigningAlgorithm;
  readonly now: EpochMillis;
  /** For how long this process has published the key. Monotonic: setting the wall clock does not make readers fetch keys. */
  publishedForMs(kid: string): DurationMs;
}

/** Plans the steps that are due. Pure: depends on the rows and the times only. */
function planKeys(rows: readonly KeyRow[], plan: KeyPlan): KeyStep[] {
  const active = rows.find(({ state }) => state === 'active');
  const next = rows.find(({ state }) => state === 'next');
  const steps = rows.filter(({ state }) => state === 'former').flatMap((row) => planFormer(row, plan));
  if (next === undefined) {
    const cause = active && causeToPublish(active, plan);
    if (cause !== undefined) steps.push({ kind: 'publish', cause });
  } else if (isKnownToReaders(next, plan)) steps.push({ kind: 'activate', key: next });
  return steps;
}

/** When the active key is to be replaced, as far as is known; null: not scheduled. */
function nextRotationAt(rows: readonly KeyRow[], plan: Omit<KeyPlan, 'publishedForMs'>): EpochMillis | null {
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
  // A key whose algorithm was chosen by command stays until its rotation is due.
  if (active.alg !== algorithm && active.cause !== 'choice') return 'algorithm';
  const dueAt = everyMs === 'never' ? Number.POSITIVE_INFINITY : (active.activatedAt ?? 0) + everyMs;
  return now >= dueAt - publishBeforeMs ? 'schedule' : undefined;
}

function isKnownToReaders({ kid, createdAt }: KeyRow, { now, publishBeforeMs, publishedForMs }: KeyPlan): boolean {
  return Math.min(now - createdAt, publishedForMs(kid)) >= publishBeforeMs;
}
