import { Command, Option } from 'commander';
import { registerBackup } from './commands/backup.ts';
import { registerClients } from './commands/clients.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerConfig } from './commands/config.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerEvents } from './commands/events.ts';
import { registerExplain } from './commands/explain.ts';
import { registerInstances } from './commands/instances.ts';
import { registerKeys } from './commands/keys.ts';
import { registerLog } from './commands/log.ts';
import { registerRevocations } from './commands/revocations.ts';
import { registerRevoke } from './commands/revoke.ts';
import { registerSessions } from './commands/sessions.ts';
import { registerStatus } from './commands/status.ts';
import { registerTail } from './commands/tail.ts';
import { registerUsers } from './commands/users.ts';
import type { Register, Run } from './context.ts';

/** In the order of the help. */
const REGISTERED: readonly Register[] = [
  registerStatus,
  registerInstances,
  registerUsers,
  registerSessions,
  registerEvents,
  registerRevocations,
  registerRevoke,
  registerExplain,
  registerKeys,
  registerClients,
  registerTail,
  registerLog,
  registerBackup,
  registerConfig,
  registerDoctor,
  registerCompletion,
];

/** The flags that every command takes, as commander stores them. */
export interface GlobalFlags {
  readonly json?: boolean;
  readonly stream?: boolean;
  readonly fields?: readonly string[];
  readonly server?: string;
  readonly profile?: string;
}

/** Every command with its options and help. The completion scripts are made from it. */
export function createProgram(run: Run, version: string): Command {
  const program = new Command('rescind')
    .description('Revoke tokens across a fleet, and see whether every instance denies them. Exit codes: docs/cli.md.')
    .version(version, '--version')
    .option('--json', 'one JSON document in place of a table')
    .option('--stream', 'with --json: one JSON document a line, for lists')
    .addOption(
      new Option('--fields <names>', 'columns of a table, separated by commas').argParser((text: string) =>
        text.split(','),
      ),
    )
    .option('--server <url>', 'the administrators’ port of user-management (RESCIND_SERVER)')
    .option('--profile <name>', 'variables of ~/.config/rescind/<name>.json (RESCIND_PROFILE)')
    .showSuggestionAfterError(true);
  for (const register of REGISTERED) register(program, run);
  return program;
}

/** The program and every command below it. */
export function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
