import type { Command } from 'commander';
import { Option } from 'commander';
import type { Json } from '../admin.ts';
import type { ConfirmFlags, Preview } from '../confirm.ts';
import { noteEnded, previewOf, runPreviewed } from '../confirm.ts';
import type { Context, Register } from '../context.ts';
import type { Exit } from '../errors.ts';
import { CliError, usage } from '../errors.ts';
import { findSession, findUser } from '../ids.ts';
import { collect, collectClaim, readCount } from '../options.ts';
import { awaitReceipts } from '../receipts.ts';

interface TargetFlags {
  readonly sid?: readonly string[];
  readonly user?: readonly string[];
  readonly sub?: readonly string[];
  readonly client?: readonly string[];
  readonly kid?: readonly string[];
  readonly claim?: readonly { readonly claim: string; readonly value: string }[];
  readonly everybody?: boolean;
  readonly keepSessions?: boolean;
}

interface Cutoff {
  readonly claim: string;
  readonly value?: string;
  readonly endsSession?: false;
}

/** Cut-offs, and what they are to a person: a user has a name. */
interface Targets {
  readonly cutoffs: readonly Cutoff[];
  readonly what: string;
}

/** The flags that name what is cut off; `preview` and `revoke` have the same. */
const withTargets = (command: Command): Command =>
  command
    .option('--sid <sid>', 'a session; may be repeated', collect)
    .option('--user <user>', 'a user by name or sub; may be repeated', collect)
    .option('--sub <sub>', 'a subject that may be unknown here; may be repeated', collect)
    .option('--client <id>', 'every token of a client application', collect)
    .option('--kid <kid>', 'everything that a key signed', collect)
    .option('--claim <claim=value>', 'every token with this claim', collectClaim)
    .option('--everybody', 'every token of every user')
    .option('--keep-sessions', 'deny the tokens, and let the sessions refresh');

/** Claims whose cut-off concerns one user. */
const NARROW: ReadonlySet<string> = new Set(['sid', 'sub', 'jti']);

async function targetsOf(context: Context, flags: TargetFlags): Promise<Targets> {
  const admin = context.admin();
  if (flags.keepSessions === true && flags.sid !== undefined)
    throw usage(
      '--keep-sessions excludes --sid: revoking a session ends it',
      '--user USER --keep-sessions denies the present tokens of a user',
    );
  const soft = flags.keepSessions === true ? ({ endsSession: false } as const) : {};
  const sessions = await Promise.all((flags.sid ?? []).map((sid) => findSession(admin, sid)));
  noteEnded(context, sessions);
  const users = await Promise.all((flags.user ?? []).map((user) => findUser(admin, user)));
  const names = new Map(users.map(({ sub, username }) => [sub, `user ${username} (sub ${sub})`]));
  const cutoffs: Cutoff[] = [
    ...sessions.map(({ sid }) => ({ claim: 'sid', value: String(sid) })),
    ...users.map(({ sub }) => ({ claim: 'sub', value: String(sub), ...soft })),
    ...(flags.sub ?? []).map((value) => ({ claim: 'sub', value, ...soft })),
    ...(flags.client ?? []).map((value) => ({ claim: 'client_id', value, ...soft })),
    ...(flags.kid ?? []).map((value) => ({ claim: 'kid', value })),
    ...(flags.claim ?? []),
    ...(flags.everybody === true ? [{ claim: 'iss', ...soft }] : []),
  ];
  if (cutoffs.length === 0)
    throw usage('Nothing to cut off was named', 'one of --sid, --user, --sub, --client, --kid, --claim, --everybody');
  const labels = cutoffs.map(({ claim, value }) =>
    value === undefined ? 'everybody' : ((claim === 'sub' ? names.get(value) : undefined) ?? `${claim} ${value}`),
  );
  return { cutoffs, what: `revoke ${labels.join(', ')}` };
}

function writePreview({ output }: Context, preview: Preview): void {
  output.record(
    {
      sessions: preview.sessions,
      users: preview.subjects,
      'sessions affected at most': preview.affectedSessions,
      'users affected at most': preview.affectedSubjects,
      ...(preview.administrators === undefined ? {} : { 'administrators at most': preview.administrators }),
      'tokens until': preview.tokensUntil === null ? 'without end' : { time: preview.tokensUntil },
      sids: preview.sids.join(' '),
    },
    preview,
  );
}

interface RevokeFlags extends TargetFlags, ConfirmFlags {
  readonly why: string;
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly wait?: number | true;
}

async function revoke(context: Context, flags: RevokeFlags): Promise<Exit | undefined> {
  const admin = context.admin();
  const { cutoffs, what } = await targetsOf(context, flags);
  const preview = () => previewOf(admin, cutoffs);
  if (flags.dryRun === true) {
    writePreview(context, await preview());
    return undefined;
  }
  const isWide = cutoffs.length > 1 || cutoffs.some(({ claim }) => !NARROW.has(claim));
  const { reason, why } = flags;
  const done = await runPreviewed(
    context,
    {
      what,
      isWide,
      preview,
      execute: (confirm) => admin.send('POST', '/admin/revocations', { cutoffs, reason, why, confirm }),
    },
    flags,
  );
  return report(context, done, flags.wait);
}

async function report(context: Context, done: Json, wait: number | true | undefined): Promise<Exit | undefined> {
  const values = {
    txn: String(done.txn),
    position: `${done.epoch}:${done.seq}`,
    'ended sessions': done.endedSessions as number,
  };
  if (wait === undefined) {
    context.output.record(values, done);
    return undefined;
  }
  try {
    const receipt = await awaitReceipts(context, String(done.txn), wait === true ? undefined : wait);
    context.output.record({ ...values, ...receipt.values }, { ...done, receipt: receipt.document });
    return receipt.isComplete ? undefined : 'incomplete';
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    // It is revoked, whatever is known about the instances.
    context.output.note(`${error.message} [${error.code}]`);
    context.output.record({ ...values, 'denied on': 'unknown' }, { ...done, receipt: null });
    return 'incomplete';
  }
}

/** `rescind preview` and `rescind revoke`. */
export const registerRevoke: Register = (program, run) => {
  withTargets(program.command('preview'))
    .description('count the sessions and users that a revocation would end')
    .action(
      run(async (context, flags: TargetFlags) => {
        const admin = context.admin();
        const { cutoffs } = await targetsOf(context, flags);
        writePreview(context, await previewOf(admin, cutoffs));
        return undefined;
      }),
    );

  withTargets(program.command('revoke'))
    .description('revoke tokens by session, user, client, key or any claim')
    .requiredOption('--why <text>', 'why, for the audit')
    .option('--reason <word>', 'a stable word for the event', 'revoked_by_administrator')
    .option('--dry-run', 'print the preview and do nothing')
    .addOption(
      new Option('--wait [seconds]', 'wait until every instance denies it; without a number 10').argParser(readCount),
    )
    .option('--yes', 'without a question, for one session or one user')
    .option('--confirm <count>', 'the number of sessions, or everybody: for all else')
    .action(run((context, flags: RevokeFlags) => revoke(context, flags)));
};
