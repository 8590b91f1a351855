import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { CliError } from '../errors.ts';

/** The environment of a service, as a file of `NAME=value` lines. @throws CliError `file_unreadable` */
export function readEnvironment(path: string): Readonly<Record<string, string>> {
  try {
    const parsed = Object.entries(parseEnv(readFileSync(path, 'utf8')));
    return Object.fromEntries(
      parsed.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]])),
    );
  } catch (error) {
    throw new CliError('usage', 'file_unreadable', `${path} cannot be read`, { cause: error });
  }
}

/** A variable that may be given as NAME_FILE; undefined: neither is given, or the file cannot be read. */
export function readSecret(environment: Readonly<Record<string, string>>, name: string): string | undefined {
  const path = environment[`${name}_FILE`];
  if (path === undefined) return environment[name];
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch {
    return undefined;
  }
}
