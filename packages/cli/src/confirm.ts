import type { Admin, Json } from './admin.ts';
import type { Context } from './context.ts';
import { CliError } from './errors.ts';

/** The flags of a command that changes something. */
export interface ConfirmFlags {
  readonly yes?: boolean | undefined;
  readonly confirm?: string | undefined;
}

/** What `POST /admin/revocations/preview` returns. */
export interface Preview {
  readonly sessions: number;
  readonly subjects: number;
  readonly affectedSessions: number;
  readonly affectedSubjects: number;
  /** Of the affected users. Absent: the server is of a version that does not count them. */
  readonly administrators?: number;
  readonly sids: readonly string[];
  readonly tokensUntil: number | null;
}

/** Previews cut-offs. */
export const previewOf = async (admin: Admin, cutoffs: readonly object[]) =>
  (await admin.send('POST', '/admin/revocations/preview', { cutoffs })) as unknown as Preview;

/** How many sessions whoever confirms a wide command has to name. */
const sessionsOf = ({ sessions, affectedSessions }: Preview): number => Math.max(sessions, affectedSessions);

/** Writes a preview to standard error, so that standard output has the result alone. */
function notePreview({ output }: Context, what: string, preview: Preview): void {
  const { sessions, subjects, affectedSessions, affectedSubjects, administrators = 0 } = preview;
  output.note(
    `${what}: ends ${counted(sessions, subjects)}; denies tokens of ${counted(affectedSessions, affectedSubjects)} at most`,
  );
  if (administrators === 0) return;
  output.note(`administrators among them: at most ${administrators}; it may log them out of the console`, 'red');
}

/** Writes of each ended session when and why it ended: a command that is repeated changes nothing more about it. */
export function noteEnded({ output }: Context, sessions: readonly Json[]): void {
  for (const { sid, endedAt, endReason } of sessions) {
    if (typeof endedAt !== 'number') continue;
    output.note(`session ${sid} has ended already, ${new Date(endedAt).toISOString()}: ${endReason}`);
  }
}

const counted = (sessions: number, subjects: number): string =>
  `${sessions} ${sessions === 1 ? 'session' : 'sessions'} of ${subjects} ${subjects === 1 ? 'user' : 'users'}`;

/**
 * Requires a yes for a command that concerns one user: `--yes`, or `y` at the terminal.
 * @throws CliError `confirmation_required`
 */
export async function requireYes(context: Context, what: string, { yes }: ConfirmFlags): Promise<void> {
  if (yes === true) return;
  const answer = await context.prompt.ask(`${what}? [y/N] `);
  if (answer !== undefined && /^y(es)?$/i.test(answer)) return;
  throw missing(what, '--yes');
}

/** A command that ends sessions. */
interface PreviewedCommand {
  /** What it does, for the question. */
  readonly what: string;
  /** Whether it may concern more than one user: `--yes` is not enough then. */
  readonly isWide: boolean;
  preview(): Promise<Preview>;
  /** @param confirm what was confirmed, which the server compares with the number of sessions at that time; undefined: it is not wide */
  execute(confirm: Confirmed | undefined): Promise<Json>;
}

/** `everybody`, or the number of sessions of the preview. */
type Confirmed = 'everybody' | number;

/**
 * Runs a command after its preview was shown and confirmed: by `--yes`, or `y` at the terminal; a wide one by the number of sessions, or by
 * `everybody`, in `--confirm` or typed. If a wide one would affect more sessions when it arrives, the server refuses it; at the terminal the
 * new preview is shown, and the question asked again.
 * @throws CliError `confirmation_required`, `confirmation_differs`, `confirmation_outgrown`
 */
export async function runPreviewed(context: Context, command: PreviewedCommand, flags: ConfirmFlags): Promise<Json> {
  const { what, isWide } = command;
  for (;;) {
    const preview = await command.preview();
    notePreview(context, what, preview);
    if (!isWide) {
      await requireYes(context, what, flags);
      return command.execute(undefined);
    }
    const confirmed = await requireCount(context, what, sessionsOf(preview), flags);
    try {
      return await command.execute(confirmed);
    } catch (error) {
      const isOutgrown = error instanceof CliError && error.code === 'confirmation_outgrown';
      if (!isOutgrown || flags.confirm !== undefined) throw error;
      context.output.note('More sessions have begun since the preview; nothing was done');
    }
  }
}

async function requireCount(
  context: Context,
  what: string,
  sessions: number,
  { confirm }: ConfirmFlags,
): Promise<Confirmed> {
  const { profile, production } = context.settings();
  if (production) context.output.note(`profile ${profile}: this is production`, 'red');
  const confirmed =
    confirm ?? (await context.prompt.ask(`${what}. Type ${sessions}, the number of sessions, or everybody: `));
  if (confirmed === undefined || confirmed === '') throw missing(what, `--confirm ${sessions}`);
  if (confirmed === 'everybody') return confirmed;
  if (confirmed === String(sessions)) return sessions;
  throw new CliError(
    'confirmation',
    'confirmation_differs',
    `${what}: ${sessions} sessions now, and ${confirmed} was confirmed`,
    {
      next: `look at the preview, then --confirm ${sessions}`,
    },
  );
}

const missing = (what: string, flag: string) =>
  new CliError('confirmation', 'confirmation_required', `${what} requires a confirmation; nothing was done`, {
    next: `repeat it with ${flag}`,
  });
