import type { StartPosition } from '@rescind/feed';
import type { DecodedRecord } from '@rescind/feed/event';
import { InvalidArgumentError } from 'commander';
import type { Context, Register } from '../context.ts';
import type { CliError, Exit } from '../errors.ts';
import type { LogListener } from '../log-reader.ts';
import { BOTTOM, openLogReader, refusalOf } from '../log-reader.ts';
import { readCount } from '../options.ts';

interface TailFlags {
  readonly from?: StartPosition;
  readonly all?: boolean;
  readonly limit?: number;
}

function readPosition(text: string): StartPosition {
  const [, epoch, seq] = /^([\w-]{1,128}):(\d{1,15})$/.exec(text) ?? [];
  if (epoch === undefined) throw new InvalidArgumentError('must be epoch:seq, as tail prints it');
  return { epoch, seq: Number(seq), hint: null };
}

type EventOf = Extract<DecodedRecord, { kind: 'event' }>;

/** Writes each event once, in order, and names the ones that are missing. */
function createTail(
  { output }: Context,
  { from, all }: TailFlags,
  finished: (failure?: CliError) => void,
  limit = Number.POSITIVE_INFINITY,
): LogListener {
  let last = from ?? BOTTOM;
  /** Whether it is known where to begin. Without a position it is the present end, which the opening heartbeat states. */
  let isPlaced = from !== undefined || all === true;
  let written = 0;

  function event({ epoch, seq, at, txn, reason, cutOffs, kills }: EventOf): void {
    if (epoch === last.epoch && seq <= last.seq) return;
    if (epoch === last.epoch && seq > last.seq + 1) output.note(`# gap ${last.seq + 1}..${seq - 1}`);
    else if (epoch !== last.epoch && last.epoch !== '') output.note(`# epoch ${epoch}`);
    last = { epoch, seq, hint: null };
    const denied = [
      ...cutOffs.map(({ claim, value }) => `${claim}=${value}`),
      ...kills.map((kid) => `event_kid=${kid}`),
    ];
    const text = [`${epoch}:${seq}`, new Date(at).toISOString(), txn, reason, denied.join(' ')].join(' ');
    output.line(text, { epoch, seq, at, txn, reason, deny: cutOffs });
    written += 1;
    if (written >= limit) finished();
  }

  return {
    start: () => last,
    record(record) {
      if (written >= limit) return;
      if (record.kind === 'heartbeat' && !isPlaced) {
        last = { epoch: record.epoch, seq: record.head, hint: null };
        isPlaced = true;
        output.note(`# from ${record.epoch}:${record.head}`);
      }
      if (record.kind === 'bad') output.note(`# ignored a record: ${record.reason}`);
      if (record.kind === 'not-understood')
        output.note(`# ${record.epoch}:${record.seq} is of a version that this one does not know`);
      if (record.kind === 'event' && isPlaced) event(record);
    },
    lost(reason) {
      const refusal = refusalOf(reason);
      if (refusal !== undefined) return finished(refusal);
      output.note(`# lost (${reason}); continues from ${last.epoch}:${last.seq}`);
    },
  };
}

async function tail(context: Context, flags: TailFlags): Promise<Exit | undefined> {
  await using reader = await openLogReader(context.settings());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const connection = reader.open(
    createTail(context, flags, (failure) => (failure === undefined ? resolve() : reject(failure)), flags.limit),
  );
  context.interrupted.addEventListener('abort', () => resolve());
  try {
    await promise;
  } finally {
    await connection.close();
  }
  return undefined;
}

/** `rescind tail`. */
export const registerTail: Register = (program, run) => {
  program
    .command('tail')
    .description('the verified events of the log as they are appended, each once')
    .option('--from <epoch:seq>', 'after this position', readPosition)
    .option('--all', 'from the lowest position that the log has')
    .option('--limit <count>', 'end after so many events', readCount)
    .action(run((context, flags: TailFlags) => tail(context, flags)));
};
