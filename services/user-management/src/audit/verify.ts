import { setImmediate } from 'node:timers/promises';
import type { AuditEntry } from './entry.ts';
import { chainHash, NO_HASH } from './entry.ts';
import type { AuditTable } from './table.ts';

export interface AuditVerification {
  /** Whether every entry that was ever written is there as it was written. */
  readonly whole: boolean;
  /** How many entries are there. */
  readonly entries: number;
  /** The last hash: compare it with the log's last `admin_act` line, which may be kept where nobody here can write. */
  readonly hash: string;
  /** The first place where the chain breaks, and why. */
  readonly broken: { readonly seq: number; readonly why: 'missing' | 'altered' } | null;
}

/** Entries that are looked at before others have a turn: some milliseconds. */
const AT_ONCE = 500;

/** Reads the whole audit and computes every hash again. */
export async function verifyAudit(table: Pick<AuditTable, 'from' | 'greatestSeq'>): Promise<AuditVerification> {
  const greatest = table.greatestSeq();
  let [entries, seq, hash] = [0, 0, NO_HASH];
  let broken: AuditVerification['broken'] = null;
  for (;;) {
    const page = table.from(seq, AT_ONCE);
    for (const entry of page) {
      broken ??= breakAt(entry, seq, hash);
      ({ seq, hash } = entry);
      entries++;
    }
    if (page.length < AT_ONCE) break;
    await setImmediate();
  }
  if (seq < greatest) broken ??= { seq: seq + 1, why: 'missing' };
  return { whole: broken === null, entries, hash, broken };
}

function breakAt(entry: AuditEntry, before: number, hash: string): AuditVerification['broken'] {
  if (entry.seq !== before + 1) return { seq: before + 1, why: 'missing' };
  return chainHash(hash, entry) === entry.hash ? null : { seq: entry.seq, why: 'altered' };
}
