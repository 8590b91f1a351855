import { isIP } from 'node:net';
import { editDistance } from './nearest.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One thing wrong with the environment. */
export interface ConfigurationProblem {
  readonly variable: string;
  /** What was given and what would be right; never a secret's value. */
  readonly problem: string;
}

/** What is worth a log line about an environment that was accepted. */
export interface EnvironmentNotes {
  /** Names of service-link variables that were ignored. */
  readonly ignored: readonly string[];
  /** Variables that are probably misspelt: they have no effect. */
  readonly misspelt: readonly ConfigurationProblem[];
}

const PROTOCOL_URL = /^(tcp|udp|sctp):\/\/\S+$/;
const NUMBER = /^\d{1,5}$/;

/**
 * The variables that Kubernetes injects for each Service of a namespace (`enableServiceLinks`, in the format of Docker's
 * links): the end of their names, and what their values look like.
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

/** Whether a variable is a service link of Kubernetes, by its name and its value. */
export function isServiceLink(variable: string, value: string): boolean {
  return LINKS.some(([name, isValue]) => name.test(variable) && isValue(value));
}

/** Whether a port's value is that of a service link: a Service `management` injects `MANAGEMENT_PORT=tcp://10.0.0.1:80`. */
export function isLinkedPort(value: string): boolean {
  return PROTOCOL_URL.test(value);
}

const MOST_EDITS = 2;

/** Variables of the operating system and of shells (POSIX.1-2024, Base Definitions, 8.1 and 8.3) near short names of ours. */
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

/** Variables that are not known and differ by at most two edits from one that is. Values are not shown. */
export function findMisspelt(environment: Environment, known: readonly string[]): ConfigurationProblem[] {
  const names = new Set(known);
  return Object.entries(environment).flatMap(([variable, value = '']) => {
    if (names.has(variable) || ORDINARY.has(variable) || isServiceLink(variable, value)) return [];
    const meant = known.find((name) => editDistance(variable.toUpperCase(), name, MOST_EDITS) <= MOST_EDITS);
    if (meant === undefined) return [];
    return [{ variable, problem: `is not a variable of this service and has no effect; ${meant} is one` }];
  });
}
