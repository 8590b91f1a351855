// A process that opens the denylist at the path given to it, commits if it is told to, says so, and holds it until it
// is killed.
import { openDenylist } from '@rescind/denylist';
import { NEVER, UNBOUNDED } from '@rescind/revocation';

const [path = '', commit] = process.argv.slice(2);
const denylist = openDenylist({ path });
if (commit !== undefined) {
  const state = denylist.load('https://login.example');
  if (state === undefined) throw new Error('the file was empty');
  const iss = state.log;
  const row = { iss, claim: 'sid', value: 'killed', issuedUntil: UNBOUNDED, expiresAt: NEVER, sessionUntil: UNBOUNDED };
  const origin = { txn: 't', reason: 'logout', epoch: state.epoch, seq: state.seq + 1 };
  denylist.commit({ state: { ...state, seq: state.seq + 1 }, cutoffs: [{ ...row, ...origin }] });
}
process.stdout.write(`open ${denylist.count()}\n`);
setInterval(() => denylist.count(), 60_000);
