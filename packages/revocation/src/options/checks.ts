import type { Clock } from '../clock.ts';
import { isHttpUrl } from '../http/request.ts';
import type { Telemetry } from '../telemetry.ts';

/**
 * Checks one value. Returns the value to use, which is a frozen copy of a list or a record.
 * @param path the option's path, such as `introspection.timeoutMs`
 * @throws TypeError that begins with `path` and says what would be right; it never quotes free text, which may be a secret
 */
export type OptionCheck<T> = (value: unknown, path: string) => T;

/** Bounds of a number, both included. */
export interface NumberBounds {
  /** Default: no lower bound. */
  readonly min?: number;
  /** Default: no upper bound. */
  readonly max?: number;
}

/** Creates the error for a wrong value. It names the option and what would be right, and quotes no text. */
export function optionError(path: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${path} must be ${expected}, got ${describeValue(value)}`);
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function text(expected = 'text that is not empty', pattern?: RegExp): OptionCheck<string> {
  return (value, path) => {
    if (isText(value) && (pattern === undefined || pattern.test(value))) return value;
    throw optionError(path, expected, value);
  };
}

/** Any text, empty text included. */
function string(): OptionCheck<string> {
  return (value, path) => {
    if (typeof value === 'string') return value;
    throw optionError(path, 'text', value);
  };
}

/** Text that is not empty, or a function that returns it at each use: for a secret that is rotated at run time. */
function textOrSource(): OptionCheck<string | (() => string)> {
  return (value, path) => {
    if (isText(value)) return value;
    if (typeof value === 'function') return value as () => string;
    throw optionError(path, 'text that is not empty, or a function that returns it', value);
  };
}

/** The name of a file or directory: text without NUL. */
function filePath(expected = 'the path of a file', refused: readonly string[] = []): OptionCheck<string> {
  return (value, path) => {
    if (isText(value) && !value.includes('\0') && !refused.includes(value)) return value;
    throw optionError(path, expected, value);
  };
}

/** An absolute http(s) URL without credentials and fragment; without a query too, unless `query` is true. */
function url({ query = false }: { readonly query?: boolean } = {}): OptionCheck<string> {
  return (value, path) => {
    if (typeof value === 'string' && isHttpUrl(value, { query })) return value;
    const without = query ? 'credentials and fragment' : 'credentials, query and fragment';
    throw new TypeError(`${path} must be an http or https URL without ${without}, got ${describeValue(value)}`);
  };
}

function flag(): OptionCheck<boolean> {
  return (value, path) => {
    if (typeof value === 'boolean') return value;
    throw optionError(path, 'true or false', value);
  };
}

/** A whole number. */
function count({ min = 0, max = Number.MAX_SAFE_INTEGER }: NumberBounds = {}): OptionCheck<number> {
  const expected =
    max === Number.MAX_SAFE_INTEGER ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`;
  return (value, path) => {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    throw optionError(path, expected, value);
  };
}

/** A length of time in ms, above 0 unless `min` says otherwise, and finite. Timers take at most 2^31 - 1. */
function duration({ min, max = Number.MAX_SAFE_INTEGER }: NumberBounds = {}): OptionCheck<number> {
  const lower = min === undefined ? 'above 0' : `of at least ${min}`;
  const expected = `a number of milliseconds ${lower}${max === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${max}`}`;
  return (value, path) => {
    const isRight = typeof value === 'number' && (min === undefined ? value > 0 : value >= min) && value <= max;
    if (isRight) return value;
    throw optionError(path, expected, value);
  };
}

function oneOf<const T extends string | number | boolean>(...allowed: readonly T[]): OptionCheck<T> {
  const expected = allowed.length === 1 ? `${allowed[0]}, or left out` : allowed.join(' or ');
  return (value, path) => {
    if ((allowed as readonly unknown[]).includes(value)) return value as T;
    const got = typeof value === 'string' && /^[\w+-]{1,32}$/.test(value) ? value : describeValue(value);
    throw new TypeError(`${path} must be ${expected}, got ${got}`);
  };
}

/** A list. One element at least, unless `min` is 0. Holes are refused. */
function list<T>(element: OptionCheck<T>, { min = 1 }: { readonly min?: number } = {}): OptionCheck<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < min) {
      throw optionError(path, min === 0 ? 'a list' : `a list of at least ${min}`, value);
    }
    return Object.freeze(Array.from(value as readonly unknown[], (one, at) => element(one, `${path}[${at}]`)));
  };
}

/** Either one value, or a list of at least one. */
function oneOrList<T>(element: OptionCheck<T>): OptionCheck<T | readonly T[]> {
  const many = list(element);
  return (value, path) => (Array.isArray(value) ? many(value, path) : element(value, path));
}

/** An object from names of the caller's choice to values. One name at least, unless `min` is 0. */
function record<T>(
  element: OptionCheck<T>,
  { min = 1 }: { readonly min?: number } = {},
): OptionCheck<Readonly<Record<string, T>>> {
  return (value, path) => {
    const found = ownValues(value, path, 'a plain object with a name for each value');
    const copy: Record<string, T> = Object.create(null);
    for (const [name, one] of found) copy[name] = element(one, `${path}.${name}`);
    if (found.size >= min) return Object.freeze(copy);
    throw optionError(path, `an object with at least ${min} name`, {});
  };
}

function callable<T>(expected = 'a function'): OptionCheck<T> {
  return (value, path) => {
    if (typeof value === 'function') return value as T;
    throw optionError(path, expected, value);
  };
}

/** An object with these methods, used as it is; other members are not checked. */
function having<T>(expected: string, ...methods: readonly (keyof T & string)[]): OptionCheck<T> {
  return (value, path) => {
    const held = value as Readonly<Record<string, unknown>> | null | undefined;
    if (
      typeof held === 'object' &&
      held !== null &&
      !Array.isArray(held) &&
      methods.every((name) => typeof held[name] === 'function')
    ) {
      return value as T;
    }
    const having = methods.length === 0 ? '' : ` (an object with ${methods.join(', ')})`;
    throw new TypeError(`${path} must be ${expected}${having}, got ${describeValue(value)}`);
  };
}

/** This value, or what the check takes. */
function either<const V extends false | null | string, T>(exact: V, check: OptionCheck<T>): OptionCheck<T | V> {
  return (value, path) => (value === exact ? exact : check(value, path));
}

/** The checks that shapes of options are made of. */
export const option = {
  text,
  string,
  textOrSource,
  filePath,
  url,
  flag,
  count,
  duration,
  oneOf,
  list,
  oneOrList,
  record,
  callable,
  having,
  either,
  clock: having<Clock>('a clock', 'now', 'monotonic'),
  telemetry: having<Telemetry>(
    'a telemetry such as createTelemetry() of @rescind/issuer/http',
    'count',
    'gauge',
    'observe',
    'log',
  ),
} as const;

/**
 * The own properties of a plain object, each read once. A getter is therefore called once, and what it returns is what is
 * checked and used. Properties with the value `undefined` are left out: they count as absent.
 *
 * @throws TypeError for anything but a plain object: what a prototype provides would be read without being checked; for a
 * property whose name is a symbol
 */
export function ownValues(given: unknown, path: string, expected: string): Map<string, unknown> {
  if (!isPlainObject(given)) throw new TypeError(`${path} must be ${expected}, got ${describeValue(given)}`);
  const found = new Map<string, unknown>();
  for (const name of Reflect.ownKeys(given)) {
    if (typeof name === 'symbol')
      throw new TypeError(`${path} must be ${expected}, got one with the symbol ${String(name)}`);
    const value = given[name];
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  // An object literal of another realm, such as the one in which a test runner evaluates a test.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}
/** Names what was given without quoting text, which may be a secret. */
function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return value === '' ? 'empty text' : 'text';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty object' : 'an object';
  return `a ${typeof value}`;
}
