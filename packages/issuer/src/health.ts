import type { HealthCheck, IssuerClock } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { Keyring } from './keys/keyring.ts';
import type { Maintenance } from './log/maintenance.ts';
import type { WriteGate } from './log/write-gate.ts';
import type { Relay } from './relay/open.ts';
import type { KeyPurpose } from './sql/keys.ts';
import type { Store } from './sql/store.ts';

interface HealthOptions {
  readonly store: Store;
  readonly gate: WriteGate;
  readonly issuerClock: IssuerClock;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly maintenance: Maintenance;
  readonly relay: Relay | undefined;
}

export function createHealth(options: HealthOptions): () => HealthCheck[] {
  const { relay } = options;
  return () => [
    checkDatabase(options),
    checkWrites(options),
    checkKeys(options),
    checkClock(options),
    ...(relay === undefined ? [] : [relay.health()]),
  ];
}

function checkDatabase({ store, maintenance }: HealthOptions): HealthCheck {
  try {
    const { epoch, head, floor } = store.meta.identity() ?? {};
    const lastError = maintenance.lastError();
    return { name: 'database', status: lastError === null ? 'pass' : 'warn', epoch, head, floor, lastError };
  } catch (error) {
    return { name: 'database', status: 'fail', lastError: error instanceof Error ? error.message : String(error) };
  }
}

/** Keys, metadata and the log are served all the same. */
function checkWrites({ gate }: HealthOptions): HealthCheck {
  const refusing = gate.refusing();
  const markFailure = gate.markFailure();
  return { name: 'writes', status: refusing === null && markFailure === null ? 'pass' : 'warn', refusing, markFailure };
}

function checkKeys({ keyrings, gate }: HealthOptions): HealthCheck {
  try {
    const kid = gate.refusing() === null ? keyrings.token.active().kid : undefined;
    return { name: 'keys', status: 'pass', kid, eventKeys: keyrings.event.kids().length };
  } catch (error) {
    return { name: 'keys', status: 'fail', lastError: error instanceof Error ? error.message : String(error) };
  }
}

/** Nothing is minted while the clocks are apart; logouts go on. */
function checkClock({ issuerClock }: HealthOptions): HealthCheck {
  const partedMs = issuerClock.partedMs();
  return { name: 'clock', status: Math.abs(partedMs) > CLOCK_TOLERANCE_MS ? 'warn' : 'pass', partedMs };
}
