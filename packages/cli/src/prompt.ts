import { createInterface } from 'node:readline/promises';
import { CliError } from './errors.ts';
import type { CliHost } from './host.ts';
import { visible } from './text.ts';

/** Asks the user at the terminal. Without a terminal every question has the answer `undefined`. */
export interface Prompt {
  readonly isPossible: boolean;
  /** One line. */
  ask(question: string): Promise<string | undefined>;
  /** One line that is not shown. */
  secret(question: string): Promise<string | undefined>;
}

/** Questions are written to standard error: standard output has the result only. */
export function createPrompt({ stdin, stderr }: CliHost): Prompt {
  const isPossible = stdin.isTTY === true && stderr.isTTY === true;
  return {
    isPossible,
    async ask(question) {
      if (!isPossible) return undefined;
      const lines = createInterface({ input: stdin, output: stderr });
      const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
      // The terminal is in raw mode meanwhile, where Ctrl-C is no signal. Ctrl-D closes it without an answer.
      lines.once('SIGINT', () => reject(interrupted()));
      lines.once('close', () => resolve(undefined));
      lines.question(visible(question)).then((answer) => resolve(answer.trim()), reject);
      try {
        return await promise;
      } finally {
        lines.close();
      }
    },
    secret: async (question) => (isPossible ? readHidden(visible(question), stdin, stderr) : undefined),
  };
}

const interrupted = () => new CliError('interrupted', 'interrupted', 'Interrupted');

const CTRL_D = '\u0004';
const CTRL_C = '\u0003';
const BACKSPACES = new Set(['\u007f', '\b']);

function readHidden(question: string, stdin: CliHost['stdin'], stderr: CliHost['stderr']): Promise<string> {
  stderr.write(question);
  stdin.setRawMode?.(true);
  let typed = '';
  return new Promise((resolve, reject) => {
    const end = () => {
      stdin.off('data', take);
      stdin.setRawMode?.(false);
      stdin.pause();
      stderr.write('\n');
    };
    const take = (chunk: Buffer | string) => {
      for (const character of String(chunk)) {
        if (character === '\r' || character === '\n') {
          end();
          return resolve(typed);
        }
        if (character === CTRL_C) {
          end();
          return reject(interrupted());
        }
        if (character === CTRL_D && typed === '') {
          end();
          return resolve('');
        }
        typed = BACKSPACES.has(character) ? typed.slice(0, -1) : typed + character;
      }
    };
    stdin.on('data', take);
    stdin.resume();
  });
}
