import type { Json } from '../admin.ts';
import type { Register } from '../context.ts';
import { findById } from '../ids.ts';
import { writeList } from '../list.ts';
import { readCount, withColumns } from '../options.ts';
import type { Column } from '../output.ts';
import { describeReceipt } from '../receipts.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'txn', cell: ({ txn }) => String(txn) },
  { name: 'seq', cell: ({ seq }) => seq as number },
  { name: 'reason', cell: ({ reason }) => String(reason) },
  { name: 'denies', cell: ({ deny }) => deniesOf(deny) },
  { name: 'appended', cell: ({ appendedAt }) => ({ time: appendedAt as number }) },
  { name: 'published', cell: ({ published }) => (published === true ? 'yes' : 'no') },
];

const deniesOf = (deny: unknown) => (deny as Json[]).map(({ claim, value }) => `${claim}=${value}`).join(' ');

/** `rescind revocations`. */
export const registerRevocations: Register = (program, run) => {
  const revocations = withColumns(program.command('revocations'), COLUMNS)
    .description('revocations that still deny something: list, show')
    .option('--limit <count>', 'how many at most', readCount, 50)
    .action(
      run((context, { limit }: { limit: number }) =>
        writeList(context, COLUMNS, { path: '/admin/revocations', limit }),
      ),
    );

  revocations
    .command('show')
    .description('one revocation, what it denies, and which instances deny it')
    .argument('<txn>', 'its id, or the first 8 characters of it')
    .action(
      run(async ({ admin, output }, txn: string) => {
        const found = await findById(admin(), txn, { what: 'revocation', path: '/admin/revocations', member: 'txn' });
        const { epoch, seq, reason, appendedAt, published, expiresAt, receipt } = found;
        output.record(
          {
            txn: String(found.txn),
            position: `${epoch}:${seq}`,
            reason: String(reason),
            denies: deniesOf(found.deny),
            appended: { time: appendedAt as number },
            published: published === true ? 'yes' : 'no',
            expires: { time: expiresAt as number | null },
            ...(receipt === undefined ? {} : describeReceipt(receipt as Json).values),
          },
          found,
        );
        return undefined;
      }),
    );
};
