import type { EventRecord } from '@rescind/feed/event';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { createIssuerClock } from '@rescind/revocation/issuer-clock';
import type { IssuerFiles } from '../files.ts';
import { establish, openFiles } from '../files.ts';
import type { RestoreOptions, RestoreReport } from '../issuer.ts';
import { loadKeyrings } from '../keys/keyring.ts';
import { isFormer } from '../log/restore-detector.ts';
import { createEventSigning } from '../log/source.ts';
import { restoreOptions, toSettings } from '../options.ts';
import { createReadOnlyLatch, createStorage } from '../storage.ts';
import { createPersistedFloor, createTransactions } from '../transactions.ts';
import type { Evidence } from './evidence.ts';
import { gatherEvidence, planRestore } from './evidence.ts';
import type { NewEpoch } from './new-epoch.ts';
import { openNewEpoch } from './new-epoch.ts';

/**
 * Declares that the database was restored from a backup (or lost), while no issuer runs on it: imports the signed
 * events of the time since, and opens a new epoch with a new token key, every older one revoked. Closes the
 * publisher. May be run again after a failure.
 *
 * With `setClock` the issuer's clock, and every stored time with it, goes back to the wall clock: after a wall clock that was
 * ahead has been corrected.
 *
 * @throws RescindError `database_locked` while an issuer runs on it, `database_newer`, `configuration_invalid`,
 *   `clock_ahead`, `clock_parted`
 * @throws TypeError for an option that is missing or out of its range
 */
export async function restoreIssuer(given: RestoreOptions): Promise<RestoreReport> {
  const options = restoreOptions(given);
  const files = await openFiles(options, toSettings(options).telemetry);
  try {
    return await restore(options, files);
  } finally {
    await files.store.close();
    await options.publisher?.close();
  }
}

async function restore(options: RestoreOptions, files: IssuerFiles): Promise<RestoreReport> {
  const { issuer, otherIssuers = [], setClock = false } = options;
  const settings = toSettings(options);
  const { clock, telemetry, keyRotation } = settings;
  const { store, keyrings, highWatermark, proofs } = files;
  const formerFloor = await store.read.meta.clockFloor();
  const storedFloor = createPersistedFloor(formerFloor);
  const storedClock = createIssuerClock(clock, storedFloor);
  const { algorithm } = keyRotation;
  await store.transaction((tx) => establish(tx, { issuer, algorithm }, files, storedClock.now()));
  await loadKeyrings(store.read.keys, keyrings);
  const others = [...otherIssuers.map((other) => other.issuer), ...(await store.read.otherIssuers.all())];
  const signing = createEventSigning(issuer, keyrings.event, [...new Set([issuer, ...others])]);

  const own = store.log.identity();
  if (own === undefined) throw new Error('the log has no epoch');
  const now = storedClock.now();
  // An expired event that was pruned here has no effect; an event beyond the database's head also ends sessions.
  const isOver = ({ epoch, seq, cutOffs }: EventRecord) =>
    epoch === own.epoch && seq <= own.head && cutOffs.every(({ expiresAt }) => expiresAt + CLOCK_TOLERANCE_MS < now);
  const isOurs = ({ epoch, seq, id }: EventRecord) => epoch === own.epoch && store.log.idAt(seq) === id;
  const mark = highWatermark.read();
  const evidence = await gatherEvidence({
    decoder: signing.decoder,
    mark: mark === 'unreadable' ? undefined : mark,
    proofs: [...proofs.read(), ...(options.proofs ?? [])],
    publisher: options.publisher,
    timeSince: store.log.timeSince(),
    isKnown: (event) => isFormer(event.epoch, own.epoch) || isOurs(event) || isOver(event),
  });
  const plan = planRestore(evidence, own, store.log.idAt);
  // A backup from before the clock was last set has times that are ahead.
  const setsClock = setClock || (evidence.timeSince ?? '') > (store.log.timeSince() ?? '');
  // Without the stored floor, the clock begins at the wall clock.
  const clockFloor = setsClock ? createPersistedFloor(0) : storedFloor;
  const issuerClock = setsClock ? createIssuerClock(clock, clockFloor) : storedClock;

  const latch = createReadOnlyLatch();
  const storage = createStorage(telemetry, clock);
  const writing = {
    store,
    issuerClock,
    clockFloor,
    encoderOf: signing.encoderOf,
    highWatermark,
    latch,
    storage,
    telemetry,
  };
  const transactions = createTransactions(writing);
  const signingKid = keyrings.token.make(algorithm).kid;
  const keys = { store, keyrings, settings };
  const restoring = { issuer, clockFloor, otherIssuers, keys, evidence, plan, signingKid, setsClock };
  const opened = await transactions.runAndRetry(async (tx) => {
    const done = await openNewEpoch(restoring, tx);
    if (setsClock) {
      await options.lowerTimes?.(tx.now());
      // The cut-offs of this transaction have advanced the clock, and its floor follows.
      await tx.store.meta.setClock(tx.now() + 1);
    }
    return done;
  });
  const failure = storage.outage('high_water');
  if (failure !== null) throw new Error(`the high-water mark cannot be written: ${failure.error}`);
  // Cleared last: until the high-water mark is of the new epoch, the stored proofs prevent an issuer from writing.
  proofs.clear();
  await loadKeyrings(store.read.keys, keyrings);
  for (const keyring of [keyrings.token, keyrings.event]) keyring.reconcileFiles();
  telemetry.log('warn', 'database_restored', { formerEpoch: own.epoch, epoch: opened.epoch, complete: plan.complete });
  const setBackMs = setsClock ? Math.max(0, formerFloor - (await store.read.meta.clockFloor())) : 0;
  if (setsClock) telemetry.log('warn', 'clock_set', { epoch: opened.epoch, setBackMs });
  return { ...toReport(evidence, plan, own.epoch, opened), setBackMs };
}

function toReport(
  evidence: Evidence,
  plan: ReturnType<typeof planRestore>,
  formerEpoch: string,
  opened: NewEpoch,
): Omit<RestoreReport, 'setBackMs'> {
  return {
    formerEpoch,
    ...opened,
    importedEvents: evidence.events.length,
    greatestSeqSeen: plan.greatestSeqSeen,
    complete: plan.complete,
    replayError: evidence.replayError,
  };
}
