import type { Json } from './admin.ts';
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
  readonly sids: readonly string[];
  readonly tokensUntil: number | null;
}

export const readPreview = (json: Json) => json as unknown as Preview;

/** How many sessions whoever confirms a wide command has to name. */
export const sessionsOf = ({ sessions, affectedSessions }: Preview): number => Math.max(sessions, affectedSessions);

/** Writes a preview to standard error, so that standard output has the result alone. */
export function notePreview({ output }: Context, what: string, preview: Preview): void {
  const { sessions, subjects, affectedSessions, affectedSubjects } = preview;
  output.note(
    `${what}: ends ${counted(sessions, subjects)}; denies tokens of ${counted(affectedSessions, affectedSubjects)} at most`,
  );
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

/**
 * Requires the number of sessions, or `everybody`, for a command that concerns more than one user: by `--confirm`, or typed at the
 * terminal. `--yes` is not enough.
 * @throws CliError `confirmation_required`, `confirmation_differs`
 */
export async function requireCount(
  context: Context,
  what: string,
  sessions: number,
  { confirm }: ConfirmFlags,
): Promise<void> {
  const { profile, production } = context.settings();
  if (production) context.output.note(`profile ${profile}: this is production`, 'red');
  const confirmed =
    confirm ?? (await context.prompt.ask(`${what}. Type ${sessions}, the number of sessions, or everybody: `));
  if (confirmed === undefined || confirmed === '') throw missing(what, `--confirm ${sessions}`);
  if (confirmed === 'everybody' || confirmed === String(sessions)) return;
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
