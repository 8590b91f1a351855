import { nearestName } from '@rescind/service/configuration';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { usage } from './errors.ts';
import type { Column } from './output.ts';

/** Reads a count of an option. @throws InvalidArgumentError */
export function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number of at least 1');
  return Number(text);
}

/** Collects an option that may be repeated. */
export const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  value,
];

/** Reads `claim=value`. @throws InvalidArgumentError */
export function collectClaim(text: string, before: readonly Claim[] | undefined): readonly Claim[] {
  const [, claim, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (claim === undefined || value === undefined) throw new InvalidArgumentError('must be claim=value');
  return [...(before ?? []), { claim, value }];
}

interface Claim {
  readonly claim: string;
  readonly value: string;
}

const columnsOf = new WeakMap<Command, readonly string[]>();

/** States which columns the table of a command has: its help lists them, and `--fields` selects of them. */
export function withColumns<T>(command: Command, columns: readonly Column<T>[]): Command {
  const names = columns.map(({ name }) => name);
  columnsOf.set(command, names);
  return command.addHelpText('after', `\nColumns, for --fields: ${names.join(', ')}`);
}

/** @throws CliError for a column that the command does not have */
export function requireColumns(command: Command, fields: readonly string[]): void {
  const names = columnsOf.get(command);
  if (names === undefined) throw usage('--fields selects columns of a table, and this command prints none');
  const unknown = fields.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw usage(`There is no column ${unknown}; the columns are ${names.join(', ')}`, didYouMean(unknown, names));
}

/** @throws CliError for a name that none of a command's commands has; it names the nearest */
export function findCommand({ commands }: Command, name: string): Command {
  const found = commands.find((command) => command.name() === name);
  if (found !== undefined) return found;
  const names = commands.map((command) => command.name());
  throw usage(`unknown command '${name}'`, didYouMean(name, names));
}

function didYouMean(name: string, names: readonly string[]): string | undefined {
  const nearest = nearestName(name, names);
  return nearest === undefined ? undefined : `Did you mean ${nearest}?`;
}
