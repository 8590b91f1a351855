import type { Command } from 'commander';
import type { Json } from '../admin.ts';
import { requireYes } from '../confirm.ts';
import type { Register } from '../context.ts';
import { findUser } from '../ids.ts';
import { writeList } from '../list.ts';
import { collect, collectClaim, readCount, withColumns } from '../options.ts';
import type { Column } from '../output.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'user', cell: ({ username }) => String(username) },
  { name: 'sub', cell: ({ sub }) => String(sub) },
  {
    name: 'state',
    cell: ({ state, stateReason }) => (stateReason === null ? String(state) : `${state} (${stateReason})`),
  },
  { name: 'last login', cell: ({ lastLoginAt }) => ({ time: lastLoginAt as number | null }) },
  { name: 'created', cell: ({ createdAt }) => ({ time: createdAt as number }) },
];

/** Verbs that end the user's sessions, or change the account, by `POST /admin/users/{sub}/<verb>`. */
const VERBS: Readonly<Record<string, { readonly about: string; readonly takesReason: boolean }>> = {
  suspend: { about: 'suspend a user: every session ends', takesReason: true },
  ban: { about: 'ban a user: every session ends', takesReason: true },
  reinstate: { about: 'let a suspended or banned user log in again', takesReason: false },
  delete: { about: 'delete a user: every session ends, and what is personal is erased', takesReason: false },
  'log-out': { about: 'end every session of a user', takesReason: true },
  'require-login': { about: 'let the sessions of a user continue only after a new login', takesReason: true },
  'reset-password': { about: 'end every session; print the token for another password', takesReason: true },
  'remove-second-factor': { about: 'remove a lost second factor: every session ends', takesReason: false },
};

interface CreateFlags {
  readonly why: string;
  readonly role?: readonly string[];
  readonly scope?: readonly string[];
  readonly claim?: readonly { readonly claim: string; readonly value: string }[];
  readonly yes?: boolean;
}

/** `rescind users`. */
export const registerUsers: Register = (program, run) => {
  const users = withColumns(program.command('users'), COLUMNS)
    .description('users: list, show, suspend and more')
    .option('--prefix <text>', 'whose names begin so, in any case')
    .option('--state <state>', 'active, suspended, banned or deleted')
    .option('--limit <count>', 'how many at most', readCount, 50)
    .action(
      run((context, { limit, ...query }: { prefix?: string; state?: string; limit: number }) =>
        writeList(context, COLUMNS, { path: '/admin/users', query, limit }),
      ),
    );

  users
    .command('show')
    .description('one user, by name or sub')
    .argument('<user>')
    .action(
      run(async ({ admin, output }, name: string) => {
        const user = await findUser(admin(), name);
        const { username, sub, state, stateReason, scopes, claims, createdAt, lastLoginAt, secondFactor } = user;
        output.record(
          {
            ...{ user: String(username), sub: String(sub), state: String(state), reason: stateReason as string | null },
            scopes: Array.isArray(scopes) ? scopes.join(' ') : 'as everybody',
            claims: JSON.stringify(claims),
            created: { time: createdAt as number },
            'last login': { time: lastLoginAt as number | null },
            'second factor': secondFactor as boolean,
          },
          user,
        );
        return undefined;
      }),
    );

  users
    .command('create')
    .description('create a user; print the token that sets the password')
    .argument('<name>', 'the name of the user')
    .requiredOption('--why <text>', 'why, for the audit')
    .option('--role <role>', 'a role; may be repeated', collect)
    .option('--scope <scope>', 'a scope, in place of the default ones; may be repeated', collect)
    .option('--claim <claim=value>', 'a claim of the access tokens; may be repeated', collectClaim)
    .option('--yes', 'without a question')
    .action(
      run(async (context, username: string, { why, role, scope, claim = [], ...options }: CreateFlags) => {
        await requireYes(context, `create the user ${username}`, options);
        const done = await context.admin().send('POST', '/admin/users', {
          ...{ username, why },
          ...(role === undefined ? {} : { roles: role }),
          ...(scope === undefined ? {} : { scopes: scope }),
          ...(claim.length === 0 ? {} : { claims: Object.fromEntries(claim.map((one) => [one.claim, one.value])) }),
        });
        const { sub } = done.user as Json;
        const values = { user: username, sub: String(sub), 'reset token': String(done.resetToken) };
        context.output.record({ ...values, expires: { time: done.expiresAt as number } }, done);
        return undefined;
      }),
    );

  for (const [verb, { about, takesReason }] of Object.entries(VERBS)) {
    const command: Command = users
      .command(verb)
      .description(about)
      .argument('<user>', 'name or sub')
      .requiredOption('--why <text>', 'why, for the audit')
      .option('--yes', 'without a question');
    if (takesReason)
      command.option('--reason <word>', 'a stable word for events and responses, such as payment_overdue');
    command.action(
      run(async (context, name: string, options: { why: string; reason?: string; yes?: boolean }) => {
        const user = await findUser(context.admin(), name);
        await requireYes(context, `${verb} ${user.username || user.sub}`, options);
        const reason = options.reason ?? (verb === 'require-login' ? 'required_by_administrator' : undefined);
        const body = { why: options.why, ...(reason === undefined ? {} : { reason }) };
        const done = await context
          .admin()
          .send('POST', `/admin/users/${encodeURIComponent(String(user.sub))}/${verb}`, body);
        const revocation = done.revocation as Json | null | undefined;
        context.output.record(
          {
            user: String(user.username),
            sub: String(user.sub),
            done: verb,
            txn: revocation?.txn as string | undefined,
            ...(typeof revocation?.endedSessions === 'number' ? { 'ended sessions': revocation.endedSessions } : {}),
            ...(typeof done.sessions === 'number' ? { sessions: done.sessions } : {}),
            ...(typeof done.resetToken === 'string' ? { 'reset token': done.resetToken } : {}),
          },
          done,
        );
        return undefined;
      }),
    );
  }
};
