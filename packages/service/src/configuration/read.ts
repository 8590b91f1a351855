import { readFileSync, statSync } from 'node:fs';
import { RescindError } from '@rescind/revocation';
import type { z } from 'zod';
import type { ConfigurationProblem, Environment, EnvironmentNotes } from './environment.ts';
import { findMisspelt, isLinkedPort, isOfCommand, isServiceLink, nearestName } from './environment.ts';
import type { Settings } from './setting.ts';
import { metaOf } from './setting.ts';

/** All errors of the environment. */
export class ConfigurationError extends RescindError {
  readonly problems: readonly ConfigurationProblem[];

  constructor(problems: readonly ConfigurationProblem[]) {
    const lines = problems.map(({ variable, problem }) => `\n  ${variable}: ${problem}`);
    super('configuration_invalid', { detail: lines.join('') });
    this.problems = problems;
  }
}

/** Prefix of our variables: an unknown variable with it is an error. */
const OWN_PREFIX = 'RESCIND_';

/** Longest quoted value, in characters. */
const MAX_QUOTED_LENGTH = 80;

const notes = new WeakMap<object, EnvironmentNotes>();
const sources = new WeakMap<object, { readonly settings: Settings; readonly environment: Environment }>();

/** A file that holds the value of a variable, named by NAME_FILE. */
interface ConfiguredFile {
  /** NAME_FILE. */
  readonly variable: string;
  readonly path: string;
  /** Reads the file again. @throws ConfigurationError when it is unreadable, or not a value of the variable */
  read(): string;
}

/** The file of a text variable; `undefined`: its value did not come from a file. */
export function configuredFile(configuration: object, name: string): ConfiguredFile | undefined {
  const source = sources.get(configuration);
  const variable = `${name}_FILE`;
  const path = source?.environment[variable] || undefined;
  if (source === undefined || path === undefined) return undefined;
  const { settings, environment } = source;
  return {
    variable,
    path,
    read() {
      const given = givenValue(settings, name, environment);
      if (typeof given === 'object') throw new ConfigurationError([given]);
      const result = settings.shape[name]?.safeParse(given);
      if (result?.success === true && typeof result.data === 'string') return result.data;
      const [issue] = result?.error?.issues ?? [];
      throw new ConfigurationError([
        { variable, problem: `${describeValue(settings, name, given)}; ${issue?.message ?? ''}` },
      ]);
    },
  };
}

/** Remarks about the environment of a configuration. */
export function environmentNotes(configuration: object): EnvironmentNotes {
  return notes.get(configuration) ?? { ignored: [], misspelt: [] };
}

/**
 * Reads a service's settings. An empty variable counts as absent, and so does a service link of Kubernetes, such as
 * `MANAGEMENT_PORT=tcp://10.0.0.1:80`. A secret may be given as NAME_FILE, the path of a file with its value (a final line end is
 * removed).
 * @throws ConfigurationError with all errors
 */
export function readConfiguration<S extends Settings>(settings: S, environment: Environment): z.output<S> {
  const names = Object.keys(settings.shape);
  const problems = unknownNames(settings, environment);
  const given: Record<string, string> = {};
  for (const name of names) {
    const value = givenValue(settings, name, environment);
    if (typeof value === 'string') given[name] = value;
    else if (value !== undefined) problems.push(value);
  }
  problems.push(...names.flatMap((name) => missingCompanions(settings, name, given)));
  const result = settings.safeParse(given);
  const unreadable = new Set(problems.map(({ variable }) => variable.replace(/_FILE$/, '')));
  for (const issue of result.error?.issues ?? []) {
    const variable = String(issue.path[0] ?? '');
    if (unreadable.has(variable)) continue;
    problems.push({ variable, problem: `${describeValue(settings, variable, given[variable])}; ${issue.message}` });
  }
  if (!result.success || problems.length > 0) throw new ConfigurationError(problems);
  const ignored = Object.keys(environment).filter((name) => isIgnored(settings, name, environment));
  notes.set(result.data, { ignored, misspelt: findMisspelt(environment, knownNames(settings)) });
  sources.set(result.data, { settings, environment });
  return result.data;
}

function knownNames(settings: Settings): string[] {
  return Object.keys(settings.shape).flatMap((name) =>
    metaOf(settings, name).fromFile ? [name, `${name}_FILE`] : [name],
  );
}

/** Whether a variable is a service link with the name of a port setting, or with the prefix of Rescind. */
function isIgnored(settings: Settings, variable: string, environment: Environment): boolean {
  const value = environment[variable] ?? '';
  if (variable in settings.shape) return metaOf(settings, variable).kind === 'port' && isLinkedPort(value);
  return variable.startsWith(OWN_PREFIX) && isServiceLink(variable, value);
}

function unknownNames(settings: Settings, environment: Environment): ConfigurationProblem[] {
  const known = knownNames(settings);
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(OWN_PREFIX) && !known.includes(variable))
    .filter((variable) => !isOfCommand(variable) || known.some((name) => name.startsWith(OWN_PREFIX)))
    .filter((variable) => !isIgnored(settings, variable, environment))
    .map((variable) => {
      const nearest =
        nearestName(variable.slice(OWN_PREFIX.length), known) ??
        nearestName(variable, known) ??
        `one of ${known.join(', ')}`;
      return { variable, problem: `is not a variable of this service; the nearest is ${nearest}` };
    });
}

function givenValue(
  settings: Settings,
  name: string,
  environment: Environment,
): string | undefined | ConfigurationProblem {
  const value = isIgnored(settings, name, environment) ? undefined : environment[name] || undefined;
  if (!metaOf(settings, name).fromFile) return value;
  const fileName = `${name}_FILE`;
  const path = environment[fileName] || undefined;
  if (path === undefined) return value;
  if (value !== undefined)
    return { variable: name, problem: `is set, and so is ${fileName}; must be one of them only` };
  try {
    // A read of a pipe or a device may never end.
    if (!statSync(path).isFile()) return unreadable(fileName, path, 'not a file');
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    return unreadable(fileName, path, error instanceof Error && 'code' in error ? String(error.code) : 'unreadable');
  }
}

function unreadable(variable: string, path: string, why: string): ConfigurationProblem {
  return { variable, problem: `was given "${path}" (${why}); must be the path of a file that can be read` };
}

function missingCompanions(settings: Settings, name: string, variables: Readonly<Record<string, string>>) {
  if (variables[name] === undefined) return [];
  const missing = metaOf(settings, name).needs.filter((companion) => variables[companion] === undefined);
  return missing.map((variable) => ({ variable, problem: `is not set; must be set when ${name} is` }));
}

/** Describes the given value for a message; it hides secrets and truncates long values. */
function describeValue(settings: Settings, name: string, value: string | undefined): string {
  if (value === undefined) return 'is not set';
  if (metaOf(settings, name).hidden) return 'was given (not shown)';
  const text = withoutCredentials(value);
  return `was given ${JSON.stringify(text.length > MAX_QUOTED_LENGTH ? `${text.slice(0, MAX_QUOTED_LENGTH)}…` : text)}`;
}

/** Removes user information and query of URLs, which may contain secrets (RFC 3986 sections 3.2.1 and 3.4). */
function withoutCredentials(value: string): string {
  return value.replaceAll(/\/\/[^/\s]*@/g, '//…@').replaceAll(/(\/\/[^?\s]*)\?.*$/gs, '$1?…');
}
