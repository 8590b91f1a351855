import { isIP } from 'node:net';

export type Environment = Readonly<Record<string, string | undefined>>;

/** An error of the environment. */
export interface ConfigurationProblem {
  readonly variable: string;
  /** The given and the valid value; never the value of a secret. */
  readonly problem: string;
}

/** Remarks about an accepted environment, for the log. */
export interface EnvironmentNotes {
  /** Names of service-link variables that were ignored. */
  readonly ignored: readonly string[];
  /** Variables without effect that are probably misspelt. */
  readonly misspelt: readonly ConfigurationProblem[];
}

const PROTOCOL_URL = /^(tcp|udp|sctp):\/\/\S+$/;
const NUMBER = /^\d{1,5}$/;

/**
 * The variables that Kubernetes injects for each Service of a namespace (`enableServiceLinks`, in the format of Docker's links): the end
 * of their names, and the format of their values.
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const LINKS: readonly (readonly [name: RegExp, isValue: (value: string) => boolean])[] = [
  [/_SERVICE_HOST$/, (value) => isIP(value) !== 0],
  [/_SERVICE_PORT(_[A-Z0-9_]+)?$/, (value) => NUMBER.test(value)],
  [/_PORT$/, (value) => PROTOCOL_URL.test(value)],
  [/_PORT_\d+_(TCP|UDP|SCTP)$/, (value) => PROTOCOL_URL.test(value)],
  [/_PORT_\d+_(TCP|UDP|SCTP)_PROTO$/, (value) => /^(tcp|udp|sctp)$/.test(value)],
  [/_PORT_\d+_(TCP|UDP|SCTP)_PORT$/, (value) => NUMBER.test(value)],
  [/_PORT_\d+_(TCP|UDP|SCTP)_ADDR$/, (value) => isIP(value) !== 0],
];

/** Whether a variable has the name and value of a service link of Kubernetes. */
export function isServiceLink(variable: string, value: string): boolean {
  return LINKS.some(([name, isValue]) => name.test(variable) && isValue(value));
}

/** Whether the value of a port is a service link: a Service `management` injects `MANAGEMENT_PORT=tcp://10.0.0.1:80`. */
export function isLinkedPort(value: string): boolean {
  return PROTOCOL_URL.test(value);
}

/** The variables of the command `rescind`, which a shell of operators exports (docs/cli.md). */
const OF_COMMAND =
  /^RESCIND_(SERVER|OPERATOR|OPERATOR_SECRET|TOKEN|MANAGEMENT|ISSUER|ISSUER_URL|FEED_CLIENT_ID|FEED_CLIENT_SECRET|TIMEOUT|PLAIN_HTTP|PROFILE)(_FILE)?$/;

/** Whether a variable is one of the command line, which a service that is started from the same shell does not read. */
export const isOfCommand = (variable: string): boolean => OF_COMMAND.test(variable);

const MAX_EDITS = 2;

/** Variables of the operating system and of shells (POSIX.1-2024, Base Definitions, 8.1 and 8.3) that resemble short names of settings. */
const ORDINARY: ReadonlySet<string> = new Set([
  'HOME',
  'PATH',
  'PWD',
  'OLDPWD',
  'SHELL',
  'SHLVL',
  'TERM',
  'USER',
  'TZ',
]);

/** Finds unknown variables within two edits of a known one, and those of the command line in place of one that is absent. It does not show values. */
export function findMisspelt(environment: Environment, known: readonly string[]): ConfigurationProblem[] {
  const names = new Set(known);
  return Object.entries(environment).flatMap(([variable, value = '']) => {
    if (names.has(variable) || ORDINARY.has(variable) || isServiceLink(variable, value)) return [];
    const unprefixed = variable.replace(/^RESCIND_/, '');
    const base = unprefixed.replace(/_FILE$/, '');
    const isAbsent = !environment[base] && !environment[`${base}_FILE`];
    const isMeant = isOfCommand(variable) && names.has(unprefixed) && isAbsent;
    const meant = isMeant
      ? unprefixed
      : known.find((name) => editDistance(variable.toUpperCase(), name, MAX_EDITS) <= MAX_EDITS);
    if (meant === undefined) return [];
    return [{ variable, problem: `is not a variable of this service and has no effect; ${meant} is one` }];
  });
}

/** The candidate with the least edit distance to `name`; undefined: all differ in more than half of it. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // A name that differs in more than half is not a misspelling.
  let smallest = Math.floor(name.length / 2) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate);
    if (distance < smallest) [smallest, nearest] = [distance, candidate];
  }
  return nearest;
}

/**
 * Levenshtein distance: insertions, deletions and replacements.
 * @param limit a greater distance may be inexact. Default: all are exact
 */
function editDistance(from: string, to: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(from.length - to.length) > limit) return Math.abs(from.length - to.length);
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[to.length] ?? 0;
}
