import type { EventRecord } from '@rescind/feed';
import { CLOCK_TOLERANCE_MS, createIssuerClock } from '@rescind/revocation';
import { openFiles } from '../files.ts';
import type { Places } from '../identity.ts';
import { establish } from '../identity.ts';
import type { RestoreOptions, RestoreReport } from '../issuer.ts';
import { createEventSigning } from '../keys/event-signing.ts';
import { createAppender } from '../log/appender.ts';
import { isFormer } from '../log/lineage.ts';
import { createWriteGate } from '../log/write-gate.ts';
import { restoreOptions, toSettings } from '../options.ts';
import { createStorage } from '../storage.ts';
import { createTransactions } from '../transactions.ts';
import type { Evidence } from './evidence.ts';
import { gatherEvidence } from './evidence.ts';
import type { NewEpoch } from './new-epoch.ts';
import { openNewEpoch } from './new-epoch.ts';
import { planRestore } from './plan.ts';

/**
 * Declares that the database was restored from a backup (or lost), while no issuer runs on it: imports what signed
 * events tell of the time since, and opens a new epoch with a new token key, every older one revoked. Closes the
 * publisher. May be run again after a failure.
 *
 * @throws RescindError `database_locked` while an issuer runs on it, `database_newer`, `configuration_invalid`,
 *   `clock_ahead`, `clock_parted`
 * @throws TypeError for an option that is missing or out of its range
 */
export async function restoreIssuer(given: RestoreOptions): Promise<RestoreReport> {
  const options = restoreOptions(given);
  const files = openFiles(options, toSettings(options).telemetry);
  try {
    return await restore(options, files);
  } finally {
    files.store.close();
    await options.publisher?.close();
  }
}

async function restore(options: RestoreOptions, files: Places): Promise<RestoreReport> {
  const { issuer, otherIssuers = [] } = options;
  const settings = toSettings(options);
  const { clock, telemetry, keyRotation } = settings;
  const { store, keyrings, highWater, proofs } = files;
  const issuerClock = createIssuerClock(clock, store.meta.clockFloor);
  store.transaction(() => establish({ issuer, algorithm: keyRotation.algorithm }, files, issuerClock.now()));
  const signing = createEventSigning(issuer, keyrings.event, [issuer, ...otherIssuers.map((other) => other.issuer)]);

  const own = store.meta.identity();
  if (own === undefined) throw new Error('the log has no epoch');
  const now = issuerClock.now();
  // What is over, and was pruned here, has nothing to tell; what is beyond the database's head ends sessions too.
  const isOver = ({ epoch, seq, cutoffs }: EventRecord) =>
    epoch === own.epoch && seq <= own.head && cutoffs.every(({ expiresAt }) => expiresAt + CLOCK_TOLERANCE_MS < now);
  const isOurs = ({ epoch, seq, id }: EventRecord) => epoch === own.epoch && store.outbox.idAt(seq) === id;
  const mark = highWater.read();
  const evidence = await gatherEvidence({
    decoder: signing.decoder,
    mark: mark === 'unreadable' ? undefined : mark,
    proofs: [...proofs.read(), ...(options.proofs ?? [])],
    publisher: options.publisher,
    isKnown: (event) => isFormer(event.epoch, own.epoch) || isOurs(event) || isOver(event),
  });
  const plan = planRestore(evidence, own, store.outbox.idAt);

  const appender = createAppender({ ...store, encoder: signing.encoder });
  const gate = createWriteGate();
  const storage = createStorage(telemetry, clock);
  const writing = { store, issuerClock, appender, highWater, gate, storage, telemetry };
  const transactions = createTransactions(writing);
  const signingKid = keyrings.token.make(keyRotation.algorithm).kid;
  const opened = await transactions.runInTime((unit) =>
    openNewEpoch({ issuer, otherIssuers, keys: { store, keyrings, settings }, evidence, plan, signingKid }, unit),
  );
  const failure = storage.trouble('high_water');
  if (failure !== null) throw new Error(`the high-water mark cannot be written: ${failure.error}`);
  // Only now: until the mark is of the new epoch, the proofs keep an issuer from writing.
  proofs.clear();
  for (const keyring of [keyrings.token, keyrings.event]) keyring.settle();
  telemetry.log('warn', 'database_restored', { formerEpoch: own.epoch, epoch: opened.epoch, whole: plan.whole });
  return toReport(evidence, plan, own.epoch, opened);
}

function toReport(
  evidence: Evidence,
  plan: ReturnType<typeof planRestore>,
  formerEpoch: string,
  opened: NewEpoch,
): RestoreReport {
  return {
    formerEpoch,
    ...opened,
    importedEvents: evidence.events.length,
    greatestSeqSeen: plan.greatestSeqSeen,
    whole: plan.whole,
    replayError: evidence.replayError,
  };
}
