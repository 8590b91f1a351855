import type { Json } from '../admin.ts';
import { itemsOf } from '../admin.ts';
import { previewOf, requireYes, runPreviewed } from '../confirm.ts';
import type { Register } from '../context.ts';
import { withColumns } from '../options.ts';
import type { Column } from '../output.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'client', cell: ({ clientId }) => String(clientId) },
  { name: 'name', cell: ({ name }) => String(name) },
  { name: 'authentication', cell: ({ authMethod }) => String(authMethod) },
  { name: 'audience', cell: ({ audience }) => (Array.isArray(audience) ? audience.join(' ') : null) },
  { name: 'secrets', cell: ({ secrets }) => secrets as number },
  { name: 'state', cell: ({ disabled }) => (disabled === true ? 'disabled' : 'enabled') },
];

const path = (id: string) => `/admin/clients/${encodeURIComponent(id)}`;

/** `rescind clients`. */
export const registerClients: Register = (program, run) => {
  const clients = withColumns(program.command('clients'), COLUMNS)
    .description('client applications: list, show, disable, enable, secrets')
    .action(
      run(async ({ admin, output }) => {
        output.table({ columns: COLUMNS, items: itemsOf(await admin().get('/admin/clients')) });
        return undefined;
      }),
    );

  clients
    .command('show')
    .description('one client')
    .argument('<client>')
    .action(
      run(async ({ admin, output }, id: string) => {
        const client = await admin().get(path(id));
        output.record(Object.fromEntries(COLUMNS.map(({ name, cell }) => [name, cell(client)])), client);
        return undefined;
      }),
    );

  for (const verb of ['disable', 'remove'] as const) {
    clients
      .command(verb)
      .description(`${verb} a client: its sessions end and its tokens are denied`)
      .argument('<client>')
      .requiredOption('--why <text>', 'why, for the audit')
      .option('--confirm <count>', 'the number of its sessions, or everybody')
      .action(
        run(async (context, id: string, { why, confirm }: { why: string; confirm?: string }) => {
          const admin = context.admin();
          await admin.get(path(id));
          if (verb === 'disable')
            context.output.note(`nobody can log in with ${id} until it is enabled: rescind clients enable ${id}`);
          const done = await runPreviewed(
            context,
            {
              what: `${verb} client ${id}`,
              isWide: true,
              preview: () => previewOf(admin, [{ claim: 'client_id', value: id }]),
              execute: (confirmed) => admin.send('POST', `${path(id)}/${verb}`, { why, confirm: confirmed }),
            },
            { confirm },
          );
          const revocation = done.revocation as Json | null | undefined;
          context.output.record({ client: id, done: verb, txn: revocation?.txn as string | undefined }, done);
          return undefined;
        }),
      );
  }

  const simple = [
    { verb: 'enable', at: 'enable', about: 'enable a client again' },
    { verb: 'add-secret', at: 'secrets', about: 'make another secret and print it; the one before stays valid' },
    { verb: 'drop-secrets', at: 'secrets/drop-older', about: 'end the secret that was replaced' },
  ];
  for (const { verb, at, about } of simple) {
    clients
      .command(verb)
      .description(about)
      .argument('<client>')
      .requiredOption('--why <text>', 'why, for the audit')
      .option('--yes', 'without a question')
      .action(
        run(async (context, id: string, { why, yes }: { why: string; yes?: boolean }) => {
          if (verb === 'add-secret') {
            const { secrets } = await context.admin().get(path(id));
            if (Number(secrets) > 1)
              context.output.note(
                `${id} has ${secrets} secrets: the older one ends, even if it is still in use`,
                'red',
              );
          }
          await requireYes(context, `${verb} ${id}`, { yes });
          const done = await context.admin().send('POST', `${path(id)}/${at}`, { why });
          context.output.record(
            { client: id, done: verb, ...(typeof done.secret === 'string' ? { secret: done.secret } : {}) },
            done,
          );
          return undefined;
        }),
      );
  }
};
