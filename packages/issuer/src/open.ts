import type { DurationMs, EpochMillis } from '@rescind/revocation';
import {
  CLOCK_TOLERANCE_MS,
  createIssuerClock,
  createReferenceClock,
  RescindError,
  storageCodeOf,
  storageFailureOf,
  storageUnavailable,
} from '@rescind/revocation';
import { createAuthenticate } from './clients/authenticate.ts';
import { createPersistedFloor } from './clock-floor.ts';
import { createExplainer } from './explain.ts';
import { openFiles } from './files.ts';
import { createGauges } from './gauges.ts';
import { createGroupCommit } from './group-commit.ts';
import { createHealth } from './health.ts';
import type { Places } from './identity.ts';
import { establish } from './identity.ts';
import { createIntrospect } from './introspect.ts';
import type { EventJwks, Issuer, IssuerOptions } from './issuer.ts';
import type { PrivateDirectory } from './keys/directory.ts';
import { createEventSigning } from './keys/event-signing.ts';
import { createKeyKeeper } from './keys/keeper.ts';
import { loadKeyrings } from './keys/keyring.ts';
import { createKeyList } from './keys/management.ts';
import { createAppender } from './log/appender.ts';
import { createHousekeeping } from './log/housekeeping.ts';
import { openMaintenance } from './log/maintenance.ts';
import { createRestoreDetector } from './log/proofs.ts';
import { createLogSource } from './log/source.ts';
import { createWriteGate } from './log/write-gate.ts';
import type { Settings } from './options.ts';
import { issuerOptions, toSettings } from './options.ts';
import type { Relay } from './relay/open.ts';
import { openRelay } from './relay/open.ts';
import { createTailCheck } from './relay/tail.ts';
import { createPreview } from './revoke/preview.ts';
import { revoke } from './revoke/revoke.ts';
import { createRevocationStates } from './revoke/states.ts';
import { createRoom } from './room.ts';
import { createThreadSigning } from './session/signing.ts';
import { createTokenSessions } from './session/token-session.ts';
import { createSessionViews } from './session/views.ts';
import { createStorage } from './storage.ts';
import { createTransactions } from './transactions.ts';
import { createAccessVerifier } from './verify.ts';
import { createWrites } from './writes.ts';

/**
 * Opens the store as its only writer, the keys and the relay.
 * @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`, `storage_unavailable`
 * @throws TypeError for an option that is missing, unknown or out of its range
 */
export async function openIssuer<Sql>(given: IssuerOptions<Sql>): Promise<Issuer<Sql>> {
  const options = issuerOptions(given);
  return (await openWith(options)) as Issuer<Sql>;
}

/**
 * Opens an issuer by options that have been checked.
 * @param openDirectory of the keys
 */
export async function openWith(
  options: IssuerOptions,
  openDirectory?: (path: string) => PrivateDirectory,
): Promise<Issuer> {
  const settings = toSettings(options);
  try {
    return await openAll(options, settings, openDirectory);
  } catch (error) {
    if (error instanceof RescindError || storageFailureOf(error) === undefined) throw error;
    const { store, keysPath } = options;
    throw storageUnavailable(error, `${store.name} or ${keysPath} (${storageCodeOf(error)})`);
  }
}

async function openAll(
  options: IssuerOptions,
  settings: Settings,
  openDirectory?: (path: string) => PrivateDirectory,
): Promise<Issuer> {
  const files = await openFiles(options, settings.telemetry, openDirectory);
  try {
    return await assemble(options, settings, files);
  } catch (error) {
    await files.store.close();
    throw error;
  }
}

async function assemble(options: IssuerOptions, settings: Settings, files: Places): Promise<Issuer> {
  const { issuer, publisher } = options;
  const { clock, telemetry } = settings;
  const { store, keyrings, highWater } = files;

  const clockFloor = createPersistedFloor(await store.read.meta.clockFloor());
  const reference = publisher?.appendedAt && createReferenceClock(clock, CLOCK_TOLERANCE_MS, options.trustedClock);
  const issuerClock = createIssuerClock(clock, clockFloor, CLOCK_TOLERANCE_MS, reference);
  const { algorithm } = settings.keyRotation;
  await store.transaction((tx) => establish(tx, { issuer, algorithm }, files, issuerClock.now()));
  await loadKeyrings(store.read.keys, keyrings);
  const signing = createEventSigning(issuer, keyrings.event);
  const gate = createWriteGate();
  const theft: { kid: string | null } = { kid: null };
  let startedAt = issuerClock.now();
  const detector = createRestoreDetector({
    ...files,
    decoder: signing.decoder,
    gate,
    telemetry,
    startedAt: () => startedAt,
    async revokeStolenKey(kid) {
      theft.kid = kid;
      await transactions.run((unit) => revoke(room, unit, { claim: 'kid', value: kid, reason: 'event_key_stolen' }));
    },
  });
  detector.checkFiles();
  if (gate.refusing() === null) confirm(files);

  const storage = createStorage(telemetry, clock);
  const appender = createAppender(signing.encoderOf);
  const transactions = createTransactions({
    store,
    issuerClock,
    clockFloor,
    appender,
    highWater,
    gate,
    storage,
    telemetry,
  });
  const log = createLogSource({
    log: issuer,
    store,
    encoder: signing.encoder,
    issuerClock,
    persistTime: transactions.persistTime,
    onAppend: transactions.onAppend,
    prove: detector.prove,
    // The relay reads this log.
    acknowledgements: () => relay?.acknowledgements,
  });
  const { now } = issuerClock;
  const tokenSigning = createThreadSigning();
  const group = createGroupCommit(transactions, tokenSigning.whenFewAreLeft);
  const room = createRoom(options, settings, files, () => keeper.run());
  const verify = createAccessVerifier({
    accepting: room.accepting,
    issuer,
    keys: keyrings.token,
    revocations: store.read.revocations,
    now,
  });
  const housekeeping = createHousekeeping({ store, transactions, now: issuerClock.now, ...settings });
  const keeper = createKeyKeeper({
    room: room.keys,
    transactions,
    clock,
    now: issuerClock.now,
    encoderFor: signing.encoderFor,
  });
  const maintenance = await openMaintenance({
    housekeeping,
    keeper,
    gate,
    probe: transactions.probe,
    isTimeAwaited: () => reference?.state() === 'awaited',
    measure: createGauges({ store, gate, issuerClock, reference, keyRotation: settings.keyRotation, telemetry }),
    telemetry,
  });
  const relay: Relay | undefined =
    publisher &&
    openRelay({
      source: log,
      publisher,
      log: store.log,
      note: (work) => storage.write(() => store.transaction(work)),
      tail: createTailCheck({
        publisher,
        decoder: signing.decoder,
        detector,
        gate,
        log: store.log,
        activeKid: () => keyrings.event.activeKid(),
      }),
      epochAgeMs: () => epochAgeOf(files, issuerClock.now()),
      isRefusing: () => gate.refusing() !== null,
      clock,
      reference,
      telemetry,
    });
  // A wall clock that was ahead at the start would make all that a thief signs look older than this process.
  void relay?.compared.then(() => {
    startedAt = Math.min(startedAt, issuerClock.now());
  });

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    transactions.stop();
    await maintenance.close();
    await relay?.close();
    await store.close();
  }
  const closeOnce = () => {
    closing ??= close();
    return closing;
  };

  return {
    ...createWrites(room, { transactions, group, signing: tokenSigning }, telemetry),
    clients: {
      find: (clientId) => room.clients.find(store.read.clients, clientId),
      list: () => room.clients.list(store.read.clients),
      replaceConfigured: (configured) => room.clients.replaceGiven(configured),
      authenticate: createAuthenticate({
        issuer,
        registry: room.clients,
        clients: store.read.clients,
        transactions,
        now,
      }),
    },
    sessions: createSessionViews(store, createTokenSessions(room, now), now),
    revocations: createRevocationStates(store, publisher !== undefined),
    ...createPreview(room, issuerClock),
    keys: createKeyList(room.keys),
    verify,
    introspect: createIntrospect(room, verify, now),
    explain: createExplainer({
      issuer,
      verifier: room.revocable,
      revocations: store.read.revocations,
      now: issuerClock.now,
    }),
    jwks: () => keyrings.token.jwks(),
    eventJwks: () => eventJwksOf(files),
    log,
    refusingWrites: () => gate.refusing(),
    noteStorageError: (error) => storage.note(error),
    canWrite: () => storage.trouble('database') === null,
    ready: relay?.compared ?? Promise.resolve(),
    health: createHealth({
      store,
      gate,
      storage,
      issuerClock,
      clock,
      reference,
      keyrings,
      keeper,
      maintenance,
      relay,
      theft,
    }),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** On a database that is the log's latest state: the keys that sign have their files, and the mark is where it is. */
function confirm({ store, keyrings, highWater }: Places): void {
  // Left by a crash between a file and its row, or between a commit and what follows it.
  for (const keyring of [keyrings.token, keyrings.event]) keyring.settle();
  const identity = store.log.identity();
  if (identity !== undefined) highWater.write({ epoch: identity.epoch, head: identity.head, id: identity.last });
}

/** The published keys, and which epoch the log is in: readers follow no other, and in it what this key has signed. */
function eventJwksOf({ store, keyrings }: Places): EventJwks {
  const published = keyrings.event.jwks();
  return {
    ...published,
    epoch: store.log.identity()?.epoch ?? '',
    epoch_kid: keyrings.event.active(store.log.eventKid()).kid,
  };
}

/** By its first event. Without an event it is new; without its first, old. */
function epochAgeOf({ store }: Places, now: EpochMillis): DurationMs {
  const bottom = store.log.bottom();
  if (bottom?.seq === 1) return Math.max(0, now - bottom.appendedAt);
  return store.log.identity()?.head === 0 ? 0 : Number.POSITIVE_INFINITY;
}
