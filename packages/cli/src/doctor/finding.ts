import type { Context } from '../context.ts';
import type { Column } from '../output.ts';

/** What one check of `rescind doctor` found. */
export interface Finding {
  /** A stable word, such as `issuer_differs`. */
  readonly code: string;
  readonly group: Group;
  readonly status: 'pass' | 'warn' | 'fail';
  /** What was seen: values, never a secret. */
  readonly evidence: string;
  /** What to do; only where something is wrong. */
  readonly cure?: string | undefined;
}

/** Columns of findings, by the names of their members. */
export const columnsOfFindings = (...names: readonly (keyof Finding)[]): readonly Column<Finding>[] =>
  names.map((name) => ({ name, cell: (one) => one[name] }));

/** The groups of checks, in the order in which they run; `--only` names one. */
export const GROUPS = [
  'configuration',
  'processes',
  'server',
  'issuer',
  'log',
  'kafka',
  'disk',
  'clock',
  'versions',
] as const;

export type Group = (typeof GROUPS)[number];

/** What the checks of a group use. */
export interface Examination {
  readonly context: Context;
  /** The environment of a service that `--env-file` names; undefined: none. */
  readonly environment: Readonly<Record<string, string>> | undefined;
  /** The service whose configuration it is. */
  readonly service: string;
}

/** Runs the checks of a group. A group that has nothing to check returns nothing. */
export type Check = (examination: Examination) => Promise<readonly Finding[]>;

const DOCS = 'docs/operations.md';

/** A cure with the section of the documentation that has more. */
export const see = (cure: string, section: string) => `${cure} (${DOCS}#${section})`;
