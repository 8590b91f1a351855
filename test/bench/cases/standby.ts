import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceProcess } from '@rescind/dev-fleet';
import { openBroker } from '@rescind/dev-kafka';
import { waitFor } from '../../support/wait.ts';
import type { Case } from '../case.ts';
import { residentMegabytes } from '../machine.ts';
import { clockMs } from '../material/arrivals.ts';
import { startChild } from '../material/child.ts';
import { openBenchFleet, sumOf } from '../material/fleet.ts';
import { spreadOf } from '../race.ts';

const STREAMS = 1_000;
/** Each stream has a heartbeat so often. */
const HEARTBEAT_MS = 10_000;
/** The least share of the heartbeats that must have arrived: a minute may have one more or less at its ends. */
const ENOUGH = 0.8;
/** The time after which the code that an issuer runs each second is optimized. */
const SETTLE_MS = 20_000;
/** Of /proc/<pid>/stat: 10 ms, on every Linux. */
const TICKS_PER_SECOND = 100;

/** CPU time of a process in s, of all its threads. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name is in parentheses, and may have spaces in it; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The use of an idle process: CPU over a while, then memory after a collection. */
async function observe(issuer: ServiceProcess, durationMs: number) {
  const pid = issuer.pid() ?? 0;
  const [began, used] = [clockMs(), cpuSeconds(pid)];
  await delay(durationMs);
  const cpuPercent = ((cpuSeconds(pid) - used) / (clockMs() - began)) * 1_000 * 100;
  const from = issuer.lines.length;
  process.kill(pid, 'SIGUSR2');
  await waitFor('a garbage collection is logged', () => issuer.line('garbage_collected', from) !== undefined);
  return { cpuPercent, megabytes: residentMegabytes(pid) };
}

export const standby: Case = {
  id: 'standby',
  what: `${STREAMS} standby streams at one issuer, and nothing else`,
  pinned: false,
  async run({ quick, say }) {
    const [settleMs, durationMs] = quick ? [5_000, 12_000] : [SETTLE_MS, 60_000];
    await using broker = await openBroker({ own: true, log: say });
    await using fleet = await openBenchFleet({ brokers: broker.brokers, prices: 0, orders: 0 });
    const { issuer, directory } = fleet;
    await delay(settleMs);
    say('without streams …');
    const alone = await observe(issuer, durationMs);
    const secretFile = join(directory, 'prices', 'feed-client-secret');
    await using holder = startChild('hold-streams.ts', [issuer.url, 'prices', secretFile, String(STREAMS)]);
    if ((await holder.line()) !== 'open') throw new Error('the streams did not open');
    await delay(settleMs);
    say('with streams …');
    const heartbeats = async () => {
      holder.send('');
      return Number(await holder.line());
    };
    const before = await heartbeats();
    const loaded = await observe(issuer, durationMs);
    const received = (await heartbeats()) - before;
    const open = await sumOf([issuer], 'rescind_standby_streams');
    const expected = STREAMS * ENOUGH * (durationMs / HEARTBEAT_MS);
    if (open !== STREAMS || received < expected) {
      throw new Error(`${open} streams are open, which had ${received} heartbeats instead of ${expected} at least`);
    }
    return {
      bars: [
        { what: 'memory more than without, MB', figure: loaded.megabytes - alone.megabytes, atMost: 60 },
        { what: 'CPU more than without, % of a core', figure: loaded.cpuPercent - alone.cpuPercent, atMost: 2 },
      ],
      measured: [
        spreadOf('resident memory without, after a collection', [alone.megabytes], 'MB'),
        spreadOf('resident memory with, after a collection', [loaded.megabytes], 'MB'),
        spreadOf('CPU without', [alone.cpuPercent], '%'),
        spreadOf('CPU with', [loaded.cpuPercent], '%'),
        spreadOf('heartbeats received', [received], 'in all'),
      ],
      settings: {
        streams: STREAMS,
        seconds: durationMs / 1_000,
        measuredBy: '/proc of the process of user-management',
        broker: 'one, on the same cores',
      },
    };
  },
};
