import type { Json } from '../admin.ts';
import { noteEnded, previewOf, runPreviewed } from '../confirm.ts';
import type { Context, Register } from '../context.ts';
import { findSession, findSub } from '../ids.ts';
import { writeList } from '../list.ts';
import { readCount, withColumns } from '../options.ts';
import type { Column } from '../output.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'sid', cell: ({ sid }) => String(sid) },
  { name: 'user', cell: ({ username, sub }) => String(username ?? sub) },
  { name: 'client', cell: ({ clientId }) => String(clientId) },
  { name: 'device', cell: ({ deviceName }) => deviceName as string | null },
  { name: 'last used', cell: ({ lastUsedAt }) => ({ time: lastUsedAt as number }) },
  { name: 'state', cell: stateOf },
];

function stateOf({ endedAt, endReason, reauthenticationReason }: Json): string {
  if (endedAt !== null) return `ended, ${endReason}`;
  return reauthenticationReason === null ? 'open' : `requires login, ${reauthenticationReason}`;
}

interface ListFlags {
  readonly user?: string;
  readonly client?: string;
  readonly ended?: boolean;
  readonly limit: number;
}

async function listSessions(context: Context, { user, client, ended = false, limit }: ListFlags): Promise<undefined> {
  const sub = await findSub(context.admin(), { user });
  return writeList(context, COLUMNS, { path: '/admin/sessions', query: { sub, client_id: client, ended }, limit });
}

/** `rescind sessions`. */
export const registerSessions: Register = (program, run) => {
  const sessions = withColumns(program.command('sessions'), COLUMNS)
    .description('sessions: list, show, end')
    .option('--user <user>', 'of a user, by name or sub')
    .option('--client <id>', 'of a client application')
    .option('--ended', 'with those that have ended')
    .option('--limit <count>', 'how many at most', readCount, 50)
    .action(run((context, options: ListFlags) => listSessions(context, options)));

  sessions
    .command('show')
    .description('one session')
    .argument('<sid>', 'its id, or the first 8 characters of it')
    .action(
      run(async ({ admin, output }, sid: string) => {
        const session = await findSession(admin(), sid);
        const origin = (session.origin ?? {}) as Json;
        output.record(
          {
            sid: String(session.sid),
            ...(session.username === undefined ? {} : { user: String(session.username) }),
            sub: String(session.sub),
            client: String(session.clientId),
            device: session.deviceName as string | null,
            address: origin.address as string | undefined,
            'user agent': origin.userAgent as string | undefined,
            state: stateOf(session),
            login: { time: session.authTime as number },
            methods: (session.amr as readonly string[]).join(' '),
            'last used': { time: session.lastUsedAt as number },
            expires: { time: session.absoluteExpiresAt as number | null },
            ended: { time: session.endedAt as number | null },
          },
          session,
        );
        return undefined;
      }),
    );

  sessions
    .command('end')
    .description('end sessions: their tokens are refused by every service')
    .argument('<sid...>', 'ids, or the first 8 characters of each')
    .requiredOption('--why <text>', 'why, for the audit')
    .option('--reason <word>', 'a stable word for the event', 'ended_by_administrator')
    .option('--yes', 'without a question, for sessions of one user')
    .option('--confirm <count>', 'the number of sessions, or everybody: for sessions of several users')
    .action(
      run(
        async (
          context,
          sids: readonly string[],
          options: { why: string; reason: string; yes?: boolean; confirm?: string },
        ) => {
          const admin = context.admin();
          const found = await Promise.all(sids.map((sid) => findSession(admin, sid)));
          noteEnded(context, found);
          const cutoffs = found.map(({ sid }) => ({ claim: 'sid', value: String(sid) }));
          const what = `end ${found.length === 1 ? `session ${found[0]?.sid}` : `${found.length} sessions`}`;
          const { reason, why } = options;
          const done = await runPreviewed(
            context,
            {
              what,
              isWide: new Set(found.map(({ sub }) => sub)).size > 1,
              preview: () => previewOf(admin, cutoffs),
              execute: (confirm) => admin.send('POST', '/admin/revocations', { cutoffs, reason, why, confirm }),
            },
            options,
          );
          context.output.record({ txn: String(done.txn), 'ended sessions': done.endedSessions as number }, done);
          return undefined;
        },
      ),
    );
};
