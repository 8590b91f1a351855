import type { EpochMillis } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows } from '@rescind/revocation/cut-off';
import type { LogChange, LogState, Quarantined } from '@rescind/revocation/log-state';

/** The pending change of one log: its newest state, and the changes of its quarantine. */
interface PendingLog {
  state: LogState;
  readonly quarantine: Map<string, Quarantined>;
  readonly release: Map<string, Pick<Quarantined, 'epoch' | 'seq'>>;
}

type Values = Map<string, CutOffRow>;

/**
 * What is enforced and not yet in the file, merged: one row for each key, one state for each log. It is what the next commit
 * writes, all of it in one transaction.
 */
export interface PendingWrites {
  add(change: LogChange): void;
  /** The row of this key that the file does not have yet. */
  find(iss: string, claim: string, value: string): CutOffRow | undefined;
  /** The claims that some row of this issuer is about: the same array until a claim is added or all is cleared. */
  names(iss: string): readonly string[];
  rows(): Iterable<CutOffRow>;
  /** The change of each log without its rows. */
  logs(): LogChange[];
  /** How many rows it holds; an event in quarantine counts as `QUARANTINED_ROWS`, since it may be as large. */
  count(): number;
  isEmpty(): boolean;
  /** Drops rows of these issuers that expired before a time. */
  prune(issuers: readonly string[], before: EpochMillis): void;
  clear(): void;
}

/** An event takes up to 64 kB, a row some 600 bytes. */
const QUARANTINED_ROWS = 100;

const NO_NAMES: readonly string[] = [];

export function createPendingWrites(): PendingWrites {
  const issuers = new Map<string, Map<string, Values>>();
  const names = new Map<string, readonly string[]>();
  const logs = new Map<string, PendingLog>();
  let count = 0;

  function valuesOf(iss: string, claim: string): Values {
    const claims = issuers.get(iss) ?? new Map<string, Values>();
    const known = claims.get(claim);
    if (known !== undefined) return known;
    const values: Values = new Map();
    issuers.set(iss, claims.set(claim, values));
    names.set(iss, [...claims.keys()]);
    return values;
  }

  function addRow(cutoff: CutOffRow): void {
    const values = valuesOf(cutoff.iss, cutoff.claim);
    const existing = values.get(cutoff.value);
    if (existing === undefined) count += 1;
    values.set(cutoff.value, existing === undefined ? cutoff : mergeRows(existing, cutoff));
  }

  function addLog({ state, quarantine = [], release = [] }: LogChange): void {
    const log = logs.get(state.log) ?? { state, quarantine: new Map(), release: new Map() };
    logs.set(state.log, log);
    log.state = state;
    for (const event of quarantine) {
      const key = `${event.epoch}:${event.seq}`;
      if (!log.quarantine.has(key)) count += QUARANTINED_ROWS;
      log.quarantine.set(key, event);
      log.release.delete(key);
    }
    for (const event of release) {
      const key = `${event.epoch}:${event.seq}`;
      if (log.quarantine.delete(key)) count -= QUARANTINED_ROWS;
      log.release.set(key, event);
    }
  }

  function* rows(): Generator<CutOffRow> {
    for (const claims of issuers.values()) for (const values of claims.values()) yield* values.values();
  }

  return {
    add(change) {
      for (const cutoff of change.cutoffs) addRow(cutoff);
      addLog(change);
    },
    find: (iss, claim, value) => issuers.get(iss)?.get(claim)?.get(value),
    names: (iss) => names.get(iss) ?? NO_NAMES,
    rows,
    logs: () =>
      [...logs.values()].map(({ state, quarantine, release }) => ({
        state,
        cutoffs: [],
        quarantine: [...quarantine.values()],
        release: [...release.values()],
      })),
    count: () => count,
    isEmpty: () => logs.size === 0,
    prune(of, before) {
      for (const iss of of) {
        for (const values of issuers.get(iss)?.values() ?? []) {
          for (const [value, { expiresAt }] of values) {
            if (expiresAt < before && values.delete(value)) count -= 1;
          }
        }
      }
    },
    clear() {
      issuers.clear();
      names.clear();
      logs.clear();
      count = 0;
    },
  };
}
