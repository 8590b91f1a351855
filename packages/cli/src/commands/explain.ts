import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import type { Json } from '../admin.ts';
import type { Context, Register } from '../context.ts';
import { CliError, usage } from '../errors.ts';
import type { CliHost } from '../host.ts';
import { findSid, findSub } from '../ids.ts';
import { collectClaim, withColumns } from '../options.ts';
import type { Column } from '../output.ts';
import { localTime } from '../text.ts';

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
  readonly user?: string;
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

async function bodyOf(flags: ExplainFlags, { host, admin }: Context): Promise<object> {
  if (flags.tokenFile !== undefined) return { token: await readToken(flags.tokenFile, host) };
  const named = {
    sid: flags.sid === undefined ? undefined : await findSid(admin(), flags.sid),
    sub: await findSub(admin(), flags),
    jti: flags.jti,
    client_id: flags.client,
  };
  const claims = {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...Object.fromEntries((flags.claim ?? []).map(({ claim, value }) => [claim, value])),
  };
  if (Object.keys(claims).length === 0 && flags.kid === undefined)
    throw usage(
      'Nothing to explain was named',
      '--token-file FILE, --token-file - for standard input, or --sid, --user, --sub, --jti, --client, --kid, --claim',
    );
  return { claims, ...(flags.kid === undefined ? {} : { kid: flags.kid }) };
}

function describe({ revoked, entries }: Json, isOfClaims: boolean, isTerminal: boolean): string {
  if (revoked === null) return 'its claims cannot be trusted: unknown whether it is revoked';
  if (revoked === false)
    return 'not revoked; if a service refuses it nevertheless, rescind doctor compares audience and issuer';
  const ends = (entries as Json[]).map(({ issuedUntil }) => issuedUntil);
  if (!isOfClaims || ends.includes(null)) return 'revoked; the first row is decisive';
  // Claims have no time of issue: a cut-off of a user or of everybody denies the tokens before it only.
  const last = Math.max(...ends.map(Number));
  return `revoked if issued until ${isTerminal ? localTime(last, Date.now()) : new Date(last).toISOString()}; tokens issued later are not`;
}

/** `rescind explain`. */
export const registerExplain: Register = (program, run) => {
  withColumns(program.command('explain'), COLUMNS)
    .description('which revocation refuses a token, or tokens with these claims')
    .option('--token-file <file>', 'a file with the token; - for standard input')
    .option('--sid <sid>', 'of a session, or the first 8 characters of its id')
    .option('--user <user>', 'of a user, by name or sub')
    .option('--sub <sub>', 'of a subject that may be unknown here')
    .option('--jti <jti>', 'one token by its id')
    .option('--client <id>', 'of a client application')
    .option('--kid <kid>', 'signed by a key')
    .option('--claim <claim=value>', 'with this claim; may be repeated', collectClaim)
    .action(
      run(async (context, flags: ExplainFlags) => {
        const { admin, output } = context;
        const explained = await admin().send('POST', '/admin/explain', await bodyOf(flags, context));
        const error = explained.error as Json | null;
        if (error !== null)
          output.note(`apart from revocation: ${error.code}${error.detail === null ? '' : `, ${error.detail}`}`);
        output.note(describe(explained, flags.tokenFile === undefined, output.isTerminal));
        output.table({ columns: COLUMNS, items: explained.entries as Json[] }, explained);
        return undefined;
      }),
    );
};
