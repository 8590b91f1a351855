import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import { createIssuerClock, createReferenceClock } from '@rescind/revocation/issuer-clock';
import { storageCodeOf, storageFailureOf, storageUnavailable } from '@rescind/revocation/storage';
import { createVerifier } from '@rescind/token';
import { refusedUserEvent } from './call-options.ts';
import { createAuthenticate } from './clients/authenticate.ts';
import { createClientRegistry } from './clients/registry.ts';
import type { IssuerContext } from './context.ts';
import type { IssuerFiles } from './files.ts';
import { confirm, epochAgeOf, establish, eventJwksOf, openFiles } from './files.ts';
import { createGroupCommit } from './group-commit.ts';
import { createGauges, createHealth } from './health.ts';
import type { OpenInstances } from './instances/open.ts';
import { openInstances } from './instances/open.ts';
import type { Issuer, IssuerOptions, SubjectRecord } from './issuer.ts';
import { createKeyList } from './keys/commands.ts';
import type { PrivateDirectory } from './keys/directory.ts';
import { loadKeyrings } from './keys/keyring.ts';
import { createKeyScheduler } from './keys/scheduler.ts';
import { createHousekeeping, openMaintenance } from './log/maintenance.ts';
import { createRestoreDetector } from './log/restore-detector.ts';
import { createEventSigning, createLogSource } from './log/source.ts';
import type { IssuerSettings } from './options.ts';
import { issuerOptions, toSettings } from './options.ts';
import type { Relay } from './relay/open.ts';
import { openRelay } from './relay/open.ts';
import { createTailCheck } from './relay/tail.ts';
import { createRevocationStates } from './revoke/list.ts';
import { createPreview } from './revoke/preview.ts';
import { revoke } from './revoke/revoke.ts';
import { createAudiencePolicy } from './session/audience.ts';
import { ACCESS_TOKEN_TYPE, createThreadSigning } from './session/mint.ts';

import { createSessionViews, createTokenSessions } from './session/views.ts';
import { createReadOnlyLatch, createStorage } from './storage.ts';
import { createPersistedFloor, createTransactions } from './transactions.ts';
import { createUserEventLists } from './user-events/list.ts';
import type { UserEventRecorder } from './user-events/recorder.ts';
import { createUserEventRecorder } from './user-events/recorder.ts';
import { createRefusals } from './user-events/refusals.ts';
import { createAccessVerifier, createExplainer, createIntrospect, REQUIRED_CLAIMS } from './verify.ts';
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
  settings: IssuerSettings,
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

async function assemble(options: IssuerOptions, settings: IssuerSettings, files: IssuerFiles): Promise<Issuer> {
  const { issuer, publisher } = options;
  const { clock, telemetry } = settings;
  const { store, keyrings, highWatermark } = files;

  const clockFloor = createPersistedFloor(await store.read.meta.clockFloor());
  const reference = publisher?.appendedAt && createReferenceClock(clock, CLOCK_TOLERANCE_MS, options.trustedClock);
  const issuerClock = createIssuerClock(clock, clockFloor, CLOCK_TOLERANCE_MS, reference);
  const { algorithm } = settings.keyRotation;
  await store.transaction((tx) => establish(tx, { issuer, algorithm }, files, issuerClock.now()));
  await loadKeyrings(store.read.keys, keyrings);
  const signing = createEventSigning(issuer, keyrings.event);
  const latch = createReadOnlyLatch();
  const theft: { kid: string | null } = { kid: null };
  let startedAt = issuerClock.now();
  const detector = createRestoreDetector({
    ...files,
    decoder: signing.decoder,
    latch,
    telemetry,
    startedAt: () => startedAt,
    async revokeStolenKey(kid) {
      theft.kid = kid;
      await transactions.run((tx) => revoke(context, tx, { claim: 'kid', value: kid, reason: 'event_key_stolen' }));
    },
  });
  detector.checkFiles();
  if (latch.refusing() === null) confirm(files);

  const storage = createStorage(telemetry, clock);
  const transactions = createTransactions({
    store,
    issuerClock,
    clockFloor,
    encoderOf: signing.encoderOf,
    highWatermark,
    latch,
    storage,
    telemetry,
  });
  const log = createLogSource({
    log: issuer,
    store,
    encoder: signing.encoder,
    pageSigner: signing.pageSigner,
    issuerClock,
    persistTime: transactions.persistTime,
    onAppend: transactions.onAppend,
    receiveEvidence: detector.prove,
    receiveReport: (clientId, report) => instances.report(clientId, report),
    // The relay reads this log.
    acknowledgements: () => relay?.acknowledgements,
  });
  const isRefusing = () => latch.refusing() !== null;
  const instances: OpenInstances = await openInstances({ store, storage, log, isRefusing, ...settings });
  const { now } = issuerClock;
  const tokenSigning = createThreadSigning();
  const group = createGroupCommit(transactions, tokenSigning.whenFewAreLeft);
  const recorder = createUserEventRecorder(telemetry);
  const refusals = createRefusals({ transactions, recorder, now, clock, telemetry });
  const context = createContext(options, settings, files, recorder, () => scheduler.run());
  const verify = createAccessVerifier({
    accepting: context.accepting,
    issuer,
    keys: keyrings.token,
    revocations: store.read.revocations,
    now,
  });
  const housekeeping = createHousekeeping({ store, transactions, recorder, now, ...settings });
  const scheduler = createKeyScheduler({
    context: context.keys,
    transactions,
    clock,
    now: issuerClock.now,
    encoderFor: signing.encoderFor,
  });
  const maintenance = await openMaintenance({
    housekeeping: { run: () => refusals.flush().finally(housekeeping.run) },
    scheduler: scheduler,
    latch,
    probe: transactions.probe,
    isTimeAwaited: () => reference?.state() === 'awaited',
    measure: createGauges({
      store,
      latch,
      issuerClock,
      reference,
      ...settings,
      telemetry,
    }),
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
        latch,
        log: store.log,
        activeKid: () => keyrings.event.activeKid(),
      }),
      epochAgeMs: () => epochAgeOf(files, issuerClock.now()),
      isRefusing,
      clock,
      reference,
      telemetry,
    });
  // If the wall clock was ahead at the start, forged records would seem to be from before this process.
  void relay?.compared.then(() => {
    startedAt = Math.min(startedAt, issuerClock.now());
  });

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await refusals.close();
    await transactions.stop();
    await maintenance.close();
    await relay?.close();
    await instances.close();
    await store.close();
  }
  const closeOnce = () => {
    closing ??= close();
    return closing;
  };

  return {
    ...createWrites(context, { transactions, group, signing: tokenSigning, refusals }, telemetry),
    clients: {
      find: (clientId) => context.clients.find(store.read.clients, clientId),
      list: () => context.clients.list(store.read.clients),
      replaceConfigured: (configured) => context.clients.replaceConfigured(configured),
      authenticate: createAuthenticate({
        issuer,
        registry: context.clients,
        clients: store.read.clients,
        transactions,
        now,
      }),
    },
    sessions: createSessionViews(store, createTokenSessions(context, now), now),
    revocations: createRevocationStates(store, publisher !== undefined),
    ...createPreview(context, issuerClock),
    userEvents: {
      ...createUserEventLists(store),
      onAppend: recorder.onAppend,
      refused: (refusal) => refusals.add(refusedUserEvent(refusal)),
      as: recorder.as,
    },
    keys: createKeyList(context.keys),
    instances,
    verify,
    introspect: createIntrospect(context, verify, now),
    explain: createExplainer({
      issuer,
      verifier: context.revocable,
      revocations: store.read.revocations,
      now: issuerClock.now,
    }),
    jwks: () => keyrings.token.jwks(),
    eventJwks: () => eventJwksOf(files),
    log,
    refusingWrites: () => latch.refusing(),
    noteStorageError: (error) => storage.noteError(error),
    canWrite: () => storage.outage('database') === null,
    ready: relay?.compared ?? Promise.resolve(),
    health: createHealth({
      store,
      latch,
      storage,
      issuerClock,
      clock,
      reference,
      keyrings,
      scheduler: scheduler,
      maintenance,
      relay,
      instances,
      theft,
    }),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** The dependencies of login, refresh and revocation. */
function createContext(
  options: IssuerOptions,
  settings: IssuerSettings,
  { store, keyrings }: IssuerFiles,
  userEvents: UserEventRecorder,
  runKeySchedule: () => Promise<void>,
): IssuerContext {
  const { issuer } = options;
  const accessTokens = { keys: keyrings.token, issuer, audience: null, typ: [ACCESS_TOKEN_TYPE] };
  return {
    store,
    policy: { issuer, ...settings },
    tokenKeys: keyrings.token,
    keys: { store, keyrings, settings },
    runKeySchedule,
    userEvents,
    subject: async (from, sub) => requireSubjectRecord(await options.subject(from, sub)),
    clients: createClientRegistry(options.clients),
    audiences: createAudiencePolicy(options.resources),
    accepting: createVerifier({ ...accessTokens, requiredClaims: REQUIRED_CLAIMS }),
    // The issuer accepts the token as long as the most lenient reader does.
    revocable: createVerifier({ ...accessTokens, expiryToleranceMs: CLOCK_TOLERANCE_MS }),
  };
}

/**
 * Checks what the option `subject` returned. A mistake in it is the host's, not a wrong password.
 * @throws TypeError for a record with wrong types
 */
function requireSubjectRecord(record: SubjectRecord | undefined): SubjectRecord | undefined {
  if (record === undefined) return undefined;
  if (typeof record !== 'object' || record === null) throw new TypeError('subject must return a record or undefined');
  const { claims, credentialVersion, active, reason } = record;
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new TypeError('subject must return a record whose claims are an object');
  }
  if (!Number.isSafeInteger(credentialVersion)) {
    throw new TypeError('subject must return a record whose credentialVersion is a whole number');
  }
  if (typeof active !== 'boolean') throw new TypeError('subject must return a record whose active is true or false');
  if (reason !== undefined && typeof reason !== 'string') {
    throw new TypeError('subject must return a record whose reason is text, or absent');
  }
  return record;
}
