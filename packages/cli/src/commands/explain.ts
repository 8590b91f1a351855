import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import type { Json } from '../admin.ts';
import type { Register } from '../context.ts';
import { CliError, usage } from '../errors.ts';
import type { CliHost } from '../host.ts';
import { collectClaim } from '../options.ts';
import type { Column } from '../output.ts';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'claim', cell: ({ claim }) => String(claim) },
  { name: 'value', cell: ({ value }) => String(value) },
  { name: 'reason', cell: ({ reason }) => String(reason) },
  { name: 'txn', cell: ({ txn }) => String(txn) },
  { name: 'since', cell: ({ since }) => ({ time: since as number | null }) },
  { name: 'issued until', cell: ({ issuedUntil }) => ({ time: issuedUntil as number | null }) },
];

interface ExplainFlags {
  readonly tokenFile?: string;
  readonly sid?: string;
  readonly sub?: string;
  readonly jti?: string;
  readonly client?: string;
  readonly kid?: string;
  readonly claim?: readonly { readonly claim: string; readonly value: string }[];
}

async function readToken(path: string, { stdin }: CliHost): Promise<string> {
  if (path === '-') return (await readAll(stdin)).trim();
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new CliError('usage', 'file_unreadable', `${path} cannot be read`, { cause: error });
  }
}

async function bodyOf(flags: ExplainFlags, host: CliHost): Promise<object> {
  if (flags.tokenFile !== undefined) return { token: await readToken(flags.tokenFile, host) };
  const named = { sid: flags.sid, sub: flags.sub, jti: flags.jti, client_id: flags.client };
  const claims = {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...Object.fromEntries((flags.claim ?? []).map(({ claim, value }) => [claim, value])),
  };
  if (Object.keys(claims).length === 0 && flags.kid === undefined)
    throw usage(
      'Nothing to explain was named',
      '--token-file FILE, --token-file - for standard input, or --sid, --sub, --jti, --client, --kid, --claim',
    );
  return { claims, ...(flags.kid === undefined ? {} : { kid: flags.kid }) };
}

/** `rescind explain`. */
export const registerExplain: Register = (program, run) => {
  program
    .command('explain')
    .description('which revocation refuses a token, or tokens with these claims')
    .option('--token-file <file>', 'a file with the token; - for standard input')
    .option('--sid <sid>', 'of a session')
    .option('--sub <sub>', 'of a subject')
    .option('--jti <jti>', 'one token by its id')
    .option('--client <id>', 'of a client application')
    .option('--kid <kid>', 'signed by a key')
    .option('--claim <claim=value>', 'with this claim; may be repeated', collectClaim)
    .action(
      run(async ({ admin, output, host }, flags: ExplainFlags) => {
        const explained = await admin().send('POST', '/admin/explain', await bodyOf(flags, host));
        const error = explained.error as Json | null;
        if (error !== null)
          output.note(`apart from revocation: ${error.code}${error.detail === null ? '' : `, ${error.detail}`}`);
        const revoked = explained.revoked as boolean | null;
        output.note(
          revoked === null
            ? 'its claims cannot be trusted: unknown whether it is revoked'
            : revoked
              ? 'revoked; the first row is decisive'
              : 'not revoked; if a service refuses it nevertheless, rescind doctor compares audience and issuer',
        );
        output.table({ columns: COLUMNS, items: explained.entries as Json[] }, explained);
        return undefined;
      }),
    );
};
