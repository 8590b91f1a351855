/** Exit codes, with what each means. docs/cli.md has the same table, which a test compares. */
export const EXIT = {
  done: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'could not be done: the network, a server error, a file, a bug' },
  usage: { code: 2, meaning: 'the command line or the configuration is wrong; nothing was sent' },
  incomplete: { code: 3, meaning: 'done in part: `--wait` ended before every instance had reported' },
  credentials: { code: 4, meaning: 'credentials are missing or wrong, or a more recent login is required' },
  forbidden: { code: 5, meaning: 'the credentials lack the scope' },
  not_found: { code: 6, meaning: 'there is nothing with this id' },
  confirmation: { code: 7, meaning: 'a confirmation is required: `--yes` or `--confirm`' },
  refused: { code: 8, meaning: 'refused in the present state: a conflict, or writes are refused' },
  not_well: {
    code: 10,
    meaning: 'the question was answered, and something is not well: `status`, `doctor`, `log verify`, `config check`',
  },
  interrupted: { code: 130, meaning: 'interrupted (Ctrl-C)' },
} as const;

/** The name of an exit code. */
export type Exit = keyof typeof EXIT;

interface CliErrorDetails {
  /** What to do next, such as a command. */
  readonly next?: string | undefined;
  /** The id by which the server's log names the request. */
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** The reason why a command did not do what was asked. */
export class CliError extends Error {
  readonly exit: Exit;
  /** A stable word. Those of the server are in docs/errors.md. */
  readonly code: string;
  readonly next: string | undefined;
  readonly requestId: string | undefined;

  constructor(exit: Exit, code: string, message: string, { next, requestId, cause }: CliErrorDetails = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'CliError';
    this.exit = exit;
    this.code = code;
    this.next = next;
    this.requestId = requestId;
  }
}

/** A mistake in the command line. */
export const usage = (message: string, next?: string) => new CliError('usage', 'usage', message, { next });
