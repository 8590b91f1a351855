import { Option } from 'commander';
import type { Json } from '../admin.ts';
import { itemsOf } from '../admin.ts';
import type { Preview } from '../confirm.ts';
import { previewOf, requireYes, runPreviewed } from '../confirm.ts';
import type { Register } from '../context.ts';
import { CliError } from '../errors.ts';
import { withColumns } from '../options.ts';
import type { Column } from '../output.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'kid', cell: ({ kid }) => String(kid) },
  { name: 'purpose', cell: ({ purpose }) => String(purpose) },
  { name: 'alg', cell: ({ alg }) => String(alg) },
  { name: 'state', cell: ({ state }) => String(state) },
  { name: 'created', cell: ({ createdAt }) => ({ time: createdAt as number }) },
  { name: 'activated', cell: ({ activatedAt }) => ({ time: activatedAt as number | null }) },
  { name: 'retires', cell: ({ retiresAt }) => ({ time: retiresAt as number | null }) },
];

/** No token is signed by a key of events. */
const NOTHING: Preview = {
  sessions: 0,
  subjects: 0,
  affectedSessions: 0,
  affectedSubjects: 0,
  sids: [],
  tokensUntil: 0,
};

/** `rescind keys`. */
export const registerKeys: Register = (program, run) => {
  const keys = withColumns(program.command('keys'), COLUMNS)
    .description('signing keys: list, rotate, revoke')
    .action(
      run(async ({ admin, output }) => {
        output.table({ columns: COLUMNS, items: itemsOf(await admin().get('/admin/keys')) });
        return undefined;
      }),
    );

  keys
    .command('rotate')
    .description('publish the next key, which signs once everybody may know it; nobody is logged out')
    .addOption(
      new Option('--purpose <purpose>', 'of access tokens, or of the events of the log')
        .choices(['token', 'event'])
        .default('token'),
    )
    .addOption(new Option('--alg <alg>', 'of access tokens').choices(['RS256', 'ES256']))
    .requiredOption('--why <text>', 'why, for the audit')
    .option('--yes', 'without a question')
    .action(
      run(async (context, { yes, ...body }: { purpose: string; alg?: string; why: string; yes?: boolean }) => {
        await requireYes(context, `rotate the ${body.purpose} key`, { yes });
        const next = await context.admin().send('POST', '/admin/keys/rotate', body);
        context.output.record(
          { kid: String(next.kid), purpose: String(next.purpose), state: String(next.state) },
          next,
        );
        return undefined;
      }),
    );

  keys
    .command('revoke')
    .description('revoke a compromised key: everything it signed is refused')
    .argument('<kid>')
    .requiredOption('--why <text>', 'why, for the audit')
    .option('--reason <word>', 'a stable word for the event', 'key_compromised')
    .option('--confirm <count>', 'the number of sessions whose tokens are denied, or everybody')
    .action(
      run(async (context, kid: string, options: { why: string; reason: string; confirm?: string }) => {
        const admin = context.admin();
        const { why, reason } = options;
        const key = itemsOf(await admin.get('/admin/keys')).find((one) => one.kid === kid);
        if (key === undefined)
          throw new CliError('not_found', 'not_found', `There is no key ${kid}`, { next: 'rescind keys' });
        const isOfEvents = key.purpose === 'event';
        if (isOfEvents)
          context.output.note(
            `${kid} signs the events of the log: readers refuse what it signs, and continue with the next key`,
          );
        const done = await runPreviewed(
          context,
          {
            what: `revoke key ${kid}`,
            isWide: true,
            preview: async () => (isOfEvents ? NOTHING : previewOf(admin, [{ claim: 'kid', value: kid }])),
            execute: (confirm) =>
              admin.send('POST', `/admin/keys/${encodeURIComponent(kid)}/revoke`, { why, reason, confirm }),
          },
          options,
        );
        context.output.record(
          {
            txn: String(done.txn),
            'signing key': String(done.signingKid),
            revoked: (done.revokedKids as string[]).join(' '),
          },
          done,
        );
        return undefined;
      }),
    );
};
