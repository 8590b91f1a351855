// A process that opens the denylist at the path given to it. With `commit` it commits a row, with `fill N` it enforces N rows, tries
// to write each, prints the result and ends; otherwise it holds the denylist until it is killed.
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import { RescindError } from '@rescind/revocation';
import { NEVER, UNBOUNDED } from '@rescind/revocation/cut-off';

const [path = '', commit, rows] = process.argv.slice(2);
const denylist = commit === 'fill' ? fill(Number(rows)) : openDenylist({ path });
if (commit === 'commit') {
  const state = denylist.load('https://login.example');
  if (state === undefined) throw new Error('the file was empty');
  const iss = state.log;
  const row = { iss, claim: 'sid', value: 'killed', issuedUntil: UNBOUNDED, expiresAt: NEVER, sessionUntil: UNBOUNDED };
  const origin = { txn: 't', reason: 'logout', epoch: state.epoch, seq: state.seq + 1 };
  denylist.commit({ state: { ...state, seq: state.seq + 1 }, cutoffs: [{ ...row, ...origin }] });
}
process.stdout.write(`open ${denylist.count()}\n`);
setInterval(() => denylist.count(), 60_000);

function fill(count: number): never {
  try {
    process.stdout.write(`${JSON.stringify(filled(openDenylist({ path }), count))}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ refused: codeOf(error), failures: 0, denied: 0 })}\n`);
  }
  process.exit(0);
}

function filled(opened: Denylist, count: number): { readonly failures: number; readonly denied: number } {
  const log = 'https://login.example';
  let failures = 0;
  for (let seq = 1; seq <= count; seq += 1) {
    const key = { iss: log, claim: 'sid', value: `row-${seq}`, expiresAt: NEVER, issuedUntil: UNBOUNDED };
    const row = { ...key, sessionUntil: UNBOUNDED, txn: `t${seq}`, reason: 'logout', epoch: '0001-a', seq };
    const place = { log, epoch: '0001-a', seq, id: `event-${seq}`, head: seq, floor: 1 };
    const times = { logTime: 0, wholeAt: 0, savedAt: 0, suspect: null, proof: null, hint: null };
    opened.enforce({ state: { ...place, ...times }, cutoffs: [row] });
    try {
      opened.flush();
    } catch {
      failures += 1;
    }
  }
  let denied = 0;
  for (let seq = 1; seq <= count; seq += 1) if (opened.row(log, 'sid', `row-${seq}`) !== undefined) denied += 1;
  opened.close();
  return { failures, denied };
}

function codeOf(error: unknown): string {
  return error instanceof RescindError ? error.code : String(error);
}
