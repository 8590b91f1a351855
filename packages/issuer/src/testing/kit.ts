import type { EpochMillis, ManualClock } from '@rescind/revocation';
import { createManualClock, silentTelemetry } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import type { Issuer, IssuerOptions } from '../issuer.ts';
import type { PrivateDirectory } from '../keys/directory.ts';
import { openWith } from '../open.ts';
import { issuerShape } from '../options.ts';
import type { MemoryRows } from './memory/store.ts';
import { memoryStore } from './memory/store.ts';

/** The options of `openIssuer`, except those that the kit sets itself. */
export interface TestIssuerOptions
  extends Omit<IssuerOptions<MemoryRows>, 'store' | 'keysPath' | 'clock' | 'issuer' | 'subject'> {
  /** Default `https://issuer.test`. */
  readonly issuer?: string | undefined;
  /** Default: every user is active, without claims. */
  readonly subject?: IssuerOptions<MemoryRows>['subject'] | undefined;
  /** The time at which the clock stands, ms since 1970. Default: now. */
  readonly at?: EpochMillis | undefined;
}

/** The real issuer, in memory: no file, no broker, and a clock that stands still. */
export interface TestIssuer extends AsyncDisposable {
  /** As `openIssuer` returns it. */
  readonly issuer: Issuer<MemoryRows>;
  /** Stands still until `advance(ms)`. */
  readonly clock: ManualClock;
  /** The host's rows, as `tx.sql` inside a transaction. */
  readonly rows: MemoryRows;
  /** Closes the issuer. */
  close(): Promise<void>;
}

const { store: _, keysPath: __, clock: ___, ...shape } = issuerShape;

const testIssuerOptions = optionsOf<TestIssuerOptions>('openTestIssuer', {
  ...shape,
  issuer: shape.issuer.required,
  subject: shape.subject.required,
  at: option.count(),
});

/** Every subject is active, and its tokens have no claims of the host. */
const activeSubject = () => ({ claims: {}, credentialVersion: 1, active: true });

/**
 * Opens an issuer without a file, for tests of hosts that embed one. Its keys are ES256 unless `keyRotation` sets another algorithm.
 * @throws TypeError for an option that is wrong
 */
export async function openTestIssuer(given: TestIssuerOptions = {}): Promise<TestIssuer> {
  const { at = Date.now(), keyRotation, ...options } = testIssuerOptions(given);
  const clock = createManualClock(at);
  const store = memoryStore();
  const issuer = (await openWith(
    {
      issuer: 'https://issuer.test',
      subject: activeSubject,
      telemetry: silentTelemetry,
      ...(options as Partial<IssuerOptions>),
      keyRotation: { algorithm: 'ES256', ...keyRotation },
      keysPath: 'memory',
      store,
      clock,
    },
    memoryDirectory,
  )) as Issuer<MemoryRows>;
  const close = () => issuer.close();
  return { issuer, clock, rows: store.sql, close, [Symbol.asyncDispose]: close };
}

/** Where the keys are instead of a directory. */
function memoryDirectory(): PrivateDirectory {
  const files = new Map<string, string>();
  return {
    names: () => [...files.keys()],
    read: (name) => files.get(name),
    write: (name, text) => void files.set(name, text),
    overwrite: () => false,
    remove: (name) => void files.delete(name),
  };
}
