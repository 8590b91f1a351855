import type { MemoryRows } from '@rescind/issuer/testing';
import { memoryStore } from '@rescind/issuer/testing';
import type { TestedStore } from '@rescind/issuer/testing/store-contract';
import { silentTelemetry } from '@rescind/revocation';

/** A store of maps, for the contract of stores. */
export function testedMemoryStore(): TestedStore<MemoryRows> {
  let failing: { left: number; hasFailed: boolean } | undefined;
  const store = memoryStore({
    beforeStatement() {
      if (failing === undefined || failing.hasFailed) return;
      if (failing.left > 0) failing.left -= 1;
      else {
        failing.hasFailed = true;
        throw new Error('injected');
      }
    },
  });
  return {
    open: () => store.open(silentTelemetry),
    failStatement(number) {
      const failure = { left: number, hasFailed: false };
      failing = failure;
      return {
        hasFailed: () => failure.hasFailed,
        stop() {
          failing = undefined;
        },
      };
    },
    writeHostRow: (rows, value) => rows.set(value, true),
    hostRows: (rows) => rows.keys(),
    remove: () => undefined,
  };
}
