import type { EventEncoder } from '@rescind/feed';
import type { Clock, DurationMs, EpochMillis } from '@rescind/revocation';
import type { SigningKey } from '@rescind/token/signing';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { EpochDraft } from '../log/epoch-draft.ts';
import { createEpochDraft } from '../log/epoch-draft.ts';
import type { KeyRow } from '../store/keys.ts';
import type { Transactions, Unit } from '../transactions.ts';
import type { KeyRoom } from './changes.ts';
import { activateNext, afterChange, algorithmOf, publishNext, retirementOf } from './changes.ts';
import type { KeyStep } from './plan.ts';
import { nextRotationAt, planKeys } from './plan.ts';

/** Keeps the keys as their schedule says. */
export interface KeyKeeper {
  /** Does what is due, each step in a transaction of its own; cheap when nothing is. */
  run(): Promise<void>;
  /** When the active key of this purpose is to be replaced; null: nobody has said so. */
  nextRotationAt(purpose: KeyPurpose): EpochMillis | null;
}

interface KeeperOptions {
  readonly room: KeyRoom;
  readonly transactions: Transactions;
  readonly clock: Clock;
  readonly now: () => EpochMillis;
  readonly encoderFor: (key: SigningKey) => EventEncoder;
}

/** `from`: the epoch that the draft follows. */
type PreparedStep = KeyStep & { readonly draft?: EpochDraft; readonly from?: string | undefined };

const PURPOSES: readonly KeyPurpose[] = ['token', 'event'];

export function createKeyKeeper({ room, transactions, clock, now, encoderFor }: KeeperOptions): KeyKeeper {
  const { store, settings } = room;
  const { keyRotation, telemetry } = settings;
  /** Monotonic: since when this process publishes what is to sign next. */
  const publishedSince = new Map<string, DurationMs>();
  /** The epoch that the next event key will open, and the one it will follow. */
  let drafted: { readonly kid: string; readonly from: string | undefined; readonly draft: EpochDraft } | undefined;

  const timesOf = (purpose: KeyPurpose) => ({
    everyMs: purpose === 'token' ? keyRotation.everyMs : keyRotation.eventEveryMs,
    publishBeforeMs: keyRotation.publishBeforeMs,
    algorithm: algorithmOf(purpose, room),
    now: now(),
  });

  function publishedForMs(kid: string): DurationMs {
    const monotonic = clock.monotonic();
    const since = publishedSince.get(kid) ?? monotonic;
    publishedSince.set(kid, since);
    return monotonic - since;
  }

  /** What is to be prepared first; undefined: not now. */
  async function prepare(purpose: KeyPurpose, step: KeyStep): Promise<PreparedStep | undefined> {
    if (step.kind !== 'activate') return step;
    const key = room.keyrings[purpose].signing(step.key.kid);
    // Somebody removed its file: another has to be published for as long.
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

  /** It was planned by rows that others may have changed since: a key that is revoked by now must not sign. */
  async function isDue(unit: Unit, purpose: KeyPurpose, planned: KeyStep, { draft, from }: PreparedStep) {
    const rows = await unit.store.keys.all(purpose);
    const steps = planKeys(rows, { ...timesOf(purpose), publishedForMs });
    if (!steps.some((step) => step.kind === planned.kind && kidOf(step) === kidOf(planned))) return false;
    return draft === undefined || from === (await unit.store.meta.identity())?.epoch;
  }

  /** @param planned what `step` was prepared for */
  async function take(purpose: KeyPurpose, planned: KeyStep, step: PreparedStep): Promise<void> {
    const isDone = await transactions.run(async (unit) => {
      if (!(await isDue(unit, purpose, planned, step))) return false;
      switch (step.kind) {
        case 'publish':
          await publishNext(room, unit, { purpose, alg: algorithmOf(purpose, room), cause: step.cause });
          break;
        case 'activate':
          await activateNext(room, unit, step.key, step.draft);
          break;
        case 'retire':
          await unit.store.keys.retire(step.kid, await retirementOf(purpose, unit.now(), unit.store, room));
          break;
        case 'forget':
          await unit.store.keys.delete(step.kid);
          afterChange(room, unit, purpose, () => {
            telemetry.log('info', 'key_forgotten', { purpose, kid: step.kid });
          });
      }
      return true;
    });
    const kid = kidOf(step);
    if (isDone && kid !== undefined) publishedSince.delete(kid);
  }

  function tellAge(purpose: KeyPurpose, rows: readonly KeyRow[]): void {
    const since = rows.find(({ state }) => state === 'active')?.activatedAt;
    if (since !== undefined && since !== null) {
      telemetry.gauge('rescind_key_age_seconds', Math.max(0, now() - since) / 1000, { purpose });
    }
  }

  async function runOnce(): Promise<void> {
    for (const purpose of PURPOSES) {
      const rows = await store.read.keys.all(purpose);
      tellAge(purpose, rows);
      for (const step of planKeys(rows, { ...timesOf(purpose), publishedForMs })) {
        const prepared = await prepare(purpose, step);
        if (prepared !== undefined) await take(purpose, step, prepared);
      }
    }
  }

  /** One after another: two would sign the same draft. */
  let last: Promise<void> = Promise.resolve();
  return {
    run() {
      const running = last.then(runOnce);
      last = running.catch(() => undefined);
      return running;
    },
    nextRotationAt: (purpose) => nextRotationAt(room.keyrings[purpose].rows(), timesOf(purpose)),
  };
}

function kidOf(step: KeyStep): string | undefined {
  if (step.kind === 'publish') return undefined;
  return step.kind === 'activate' ? step.key.kid : step.kid;
}
