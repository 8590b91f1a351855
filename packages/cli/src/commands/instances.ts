import type { Json } from '../admin.ts';
import { itemsOf } from '../admin.ts';
import { requireYes } from '../confirm.ts';
import type { Context, Register } from '../context.ts';
import { CliError } from '../errors.ts';
import { countVersions } from '../management.ts';
import { withColumns } from '../options.ts';
import type { Column } from '../output.ts';
import { duration } from '../text.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'service', cell: ({ service }) => String(service) },
  { name: 'instance', cell: ({ instance }) => String(instance) },
  { name: 'state', cell: ({ state }) => String(state) },
  { name: 'version', cell: ({ version }) => version as string | null },
  { name: 'transport', cell: ({ transport }) => transport as string | null },
  { name: 'seq', cell: ({ seq }) => seq as number },
  { name: 'lag', cell: ({ lag }) => lag as number | null },
  { name: 'age', cell: ({ ageMs }) => (typeof ageMs === 'number' ? duration(ageMs) : null) },
  { name: 'suspect', cell: ({ suspect }) => suspect as string | null },
  { name: 'since', cell: ({ since }) => ({ time: since as number }) },
];

interface ListFlags {
  readonly service?: string;
  readonly state?: string;
}

const readInstances = async ({ admin }: Context, query: ListFlags = {}) =>
  admin().get('/admin/instances', { ...query });

async function findInstance(context: Context, id: string): Promise<Json> {
  const found = itemsOf(await readInstances(context)).filter(
    (one) => one.instance === id || String(one.id).startsWith(id),
  );
  const [first, second] = found;
  if (first === undefined) throw new CliError('not_found', 'not_found', `There is no instance ${id}`);
  if (second === undefined) return first;
  const candidates = found.map(({ service, instance, id: of }) => `${service}/${instance} ${of}`).join(', ');
  throw new CliError('usage', 'id_ambiguous', `${id} is more than one instance: ${candidates}`);
}

/** `rescind instances`. */
export const registerInstances: Register = (program, run) => {
  const instances = withColumns(program.command('instances'), COLUMNS)
    .description('instances that report how far they have applied the log')
    .option('--service <name>', 'of one service')
    .option('--state <state>', 'live, behind, lost, left or unknown')
    .action(
      run(async (context, flags: ListFlags) => {
        const fleet = await readInstances(context, flags);
        const items = itemsOf(fleet);
        context.output.table({ columns: COLUMNS, items }, fleet);
        const versions = items.filter(({ endedAt }) => endedAt === null).map(({ version }) => String(version));
        if (new Set(versions).size > 1) context.output.note(`versions: ${countVersions(versions)}`);
        return undefined;
      }),
    );

  instances
    .command('show')
    .description('one instance')
    .argument('<instance>', 'its name, or the beginning of its id')
    .action(
      run(async (context, id: string) => {
        const found = await findInstance(context, id);
        const values = Object.fromEntries(COLUMNS.map(({ name, cell }) => [name, cell(found)]));
        context.output.record({ id: String(found.id), ...values }, found);
        return undefined;
      }),
    );

  instances
    .command('forget')
    .description('remove an instance that is lost or left: no revocation waits for it any more')
    .argument('<instance>', 'its name, or the beginning of its id')
    .requiredOption('--why <text>', 'why, for the audit')
    .option('--yes', 'without a question')
    .action(
      run(async (context, id: string, { why, yes }: { why: string; yes?: boolean }) => {
        const found = await findInstance(context, id);
        await requireYes(context, `forget ${found.service}/${found.instance}`, { yes });
        await context.admin().send('POST', `/admin/instances/${encodeURIComponent(String(found.id))}/forget`, { why });
        context.output.record({ id: String(found.id), done: 'forgotten' }, { id: found.id });
        return undefined;
      }),
    );
};
