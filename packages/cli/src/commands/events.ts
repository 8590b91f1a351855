import { InvalidArgumentError } from 'commander';
import type { Json } from '../admin.ts';
import type { Context, Register } from '../context.ts';
import { CliError, usage } from '../errors.ts';
import { findSid, findSub } from '../ids.ts';
import { writeList } from '../list.ts';
import { readCount, withColumns } from '../options.ts';
import type { Column } from '../output.ts';

const PATH = '/admin/events';

const COLUMNS: readonly Column<Json>[] = [
  { name: 'time', cell: ({ at }) => ({ time: at as number }) },
  { name: 'type', cell: ({ type }) => String(type) },
  { name: 'user', cell: userOf },
  { name: 'sid', cell: ({ sid }) => sid as string | null },
  { name: 'reason', cell: reasonOf },
  { name: 'by', cell: ({ actor }) => actor as string | null },
  { name: 'client', cell: ({ clientId }) => clientId as string | null },
  { name: 'address', cell: ({ origin }) => (origin as Json | undefined)?.address as string | undefined },
  { name: 'count', cell: ({ count }) => count as number },
];

function userOf({ username, sub, type }: Json): string {
  if (type === 'sessions_ended' && sub === null) return 'everybody';
  return String(username ?? sub ?? 'unknown');
}

/** The reason, and of a refusal the error code before it. */
function reasonOf({ reason, code }: Json): string | null {
  const words = [code, reason].filter((word) => typeof word === 'string');
  return words.length === 0 ? null : words.join(' ');
}

/** The units of a length of time, in ms. */
const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `2h`, `7d`, or a time in ISO 8601, as ms since 1970. @throws InvalidArgumentError */
function readTime(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return Math.max(0, Date.now() - Number(count) * (UNITS_MS[unit] ?? 0));
  // A number alone would be taken for a year.
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at) || at < 0) throw new InvalidArgumentError('must be such as 2h, 7d, or 2026-11-24T08:00:00Z');
  return at;
}

interface EventFlags {
  readonly user?: string;
  readonly sub?: string;
  readonly sid?: string;
  readonly type?: string;
  readonly since?: number;
  readonly until?: number;
  readonly follow?: boolean;
  readonly limit?: number;
}

async function events(context: Context, flags: EventFlags): Promise<undefined> {
  const { type, since, until, follow = false, limit } = flags;
  if (follow && until !== undefined) throw usage('--until excludes --follow');
  const sub = await findSub(context.admin(), flags);
  const sid = flags.sid === undefined ? undefined : await findSid(context.admin(), flags.sid);
  const filter = { sub, sid, type, since };
  if (follow) return followEvents(context, filter, limit);
  return writeList(context, COLUMNS, { path: PATH, query: { ...filter, until }, limit: limit ?? DEFAULT_LIMIT });
}

const DEFAULT_LIMIT = 50;
/** Between two attempts to connect, in ms. */
const RETRY_MS = 1_000;

type Filter = Readonly<Record<'sub' | 'sid' | 'type', string | undefined>> & { readonly since: number | undefined };

/** Writes each event once, as it commits; a lost connection continues behind the last event. */
async function followEvents(
  { admin, output, interrupted }: Context,
  filter: Filter,
  limit = Number.POSITIVE_INFINITY,
): Promise<undefined> {
  let position: number | undefined;
  let written = 0;
  while (!interrupted.aborted) {
    try {
      for await (const frame of admin().stream(PATH, { ...filter, after: position }, interrupted)) {
        if ('end' in frame) requireContinuing(frame.end as Json);
        const heartbeat = frame.heartbeat as Json | undefined;
        position = Number(heartbeat?.position ?? frame.seq ?? position);
        if (heartbeat !== undefined || 'end' in frame) continue;
        output.line(toLine(frame), frame);
        written += 1;
        if (written >= limit) return undefined;
      }
    } catch (error) {
      // Only after the first frame is it clear that the address and the filter are right.
      const isLost = error instanceof CliError && error.exit === 'failed' && position !== undefined;
      if (!isLost) throw error;
    }
    if (interrupted.aborted) break;
    output.note(`# lost; continues after ${position ?? 'now'}`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return undefined;
}

/** @throws CliError `credentials_withdrawn` */
function requireContinuing({ reason }: Json): void {
  if (reason !== 'credentials_withdrawn') return;
  throw new CliError('credentials', 'credentials_withdrawn', 'The credentials or the scope have been withdrawn');
}

function toLine(event: Json): string {
  const { at, type, sid, actor, count } = event;
  const origin = event.origin as Json | undefined;
  const parts = [
    ...[new Date(Number(at)).toISOString(), type, userOf(event), reasonOf(event)],
    ...[sid === null ? null : `sid=${sid}`, actor === null ? null : `by=${actor}`],
    origin?.address === undefined ? null : `address=${origin.address}`,
    count === 1 ? null : `count=${count}`,
  ];
  return parts.filter((part) => part !== null).join(' ');
}

/** `rescind events`. */
export const registerEvents: Register = (program, run) => {
  withColumns(program.command('events'), COLUMNS)
    .description('what happened to users and sessions: logins, refusals, ends with their reason and actor')
    .option('--user <user>', 'of a user, by name or sub')
    .option('--sub <sub>', 'of a user who may be deleted')
    .option('--sid <sid>', 'of a session, or the first 8 characters of its id')
    .option('--type <type>', 'such as session_ended or login_refused')
    .option('--since <time>', 'not earlier: 2h, 7d, or a time in ISO 8601', readTime)
    .option('--until <time>', 'earlier than this', readTime)
    .option('--follow', 'as they happen: from now, or from --since')
    .option('--limit <count>', 'how many at most (default: 50, with --follow any number)', readCount)
    .action(run((context, flags: EventFlags) => events(context, flags)));
};
