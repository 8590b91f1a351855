import { option, optionsOf, required } from '@rescind/revocation/options';
import { z } from 'zod';
import type { Parsed } from './parse.ts';
import { parseDuration, parseFlag, parseList, parsePem, parseText, parseUrl, parseWholeNumber } from './parse.ts';
import type { SettingMeta } from './registry.ts';
import { settingRegistry } from './registry.ts';

/** What every kind takes. `about` is the variable's sentence in docs/configuration.md. */
interface SettingOptions {
  readonly about: string;
  /** As it would be written in the environment. Without one, and unless `optional`, the variable must be set. */
  readonly default?: string;
  /** Variables that must be given when this one is. */
  readonly needs?: readonly string[];
}

/** What a text, or each element of a list, must look like, and that in words. */
interface Patterned {
  readonly pattern?: RegExp;
  /** Follows `one line of text` or `a comma-separated list`, with a space before. */
  readonly such?: string;
}

type Bounds = { readonly atLeast: number; readonly atMost: number };
type Choices<T extends string> = { readonly of: readonly T[] };
type SecretLength = { readonly minLength?: number };
type DurationBounds = { readonly atLeast?: string; readonly atMost?: string };

const base = {
  about: required(option.text()),
  default: option.string(),
  needs: option.list(option.text()),
};
const patterned = { pattern: option.having<RegExp>('a regular expression', 'test'), such: option.string() };
const checkPlain = optionsOf<SettingOptions>('setting', base);
const checkPatterned = optionsOf<SettingOptions & Patterned>('setting', { ...base, ...patterned });
const checkDuration = optionsOf<SettingOptions & DurationBounds>('setting', {
  ...base,
  atLeast: option.text(),
  atMost: option.text(),
});
const checkCount = optionsOf<SettingOptions & Bounds>('setting.count', {
  ...base,
  atLeast: required(option.count()),
  atMost: required(option.count()),
});
const checkChoice = optionsOf<SettingOptions & Choices<string>>('setting.choice', {
  ...base,
  of: required(option.list(option.text())),
});
const checkSecret = optionsOf<SettingOptions & SecretLength>('setting.secret', { ...base, minLength: option.count() });

interface Kind<T> {
  readonly kind: string;
  readonly accepts: string;
  readonly parse: (text: string) => Parsed<T>;
  readonly hidden?: boolean;
  readonly fromFile?: boolean;
}

function define<T>(options: SettingOptions, kind: Kind<T>): z.ZodType<T> {
  const text = z.string({ error: `must be ${kind.accepts}` });
  const schema = (options.default === undefined ? text : text.prefault(options.default)).transform((value, context) => {
    const parsed = kind.parse(value);
    if (parsed !== undefined) return parsed.value;
    context.addIssue({ code: 'custom', message: `must be ${kind.accepts}` });
    return z.NEVER;
  });
  const meta: SettingMeta = {
    kind: kind.kind,
    about: options.about,
    accepts: kind.accepts,
    required: options.default === undefined,
    hidden: kind.hidden ?? false,
    fromFile: kind.fromFile ?? false,
    needs: options.needs ?? [],
    ...(options.default === undefined ? {} : { default: options.default }),
  };
  settingRegistry.add(schema, meta);
  return schema;
}

function within<T>(parsed: Parsed<T>, holds: (value: T) => boolean): Parsed<T> {
  return parsed !== undefined && holds(parsed.value) ? parsed : undefined;
}

type DurationOptions = SettingOptions & DurationBounds;

/** In milliseconds; the bounds as text too: `atLeast: '1s'`. */
function duration(options: DurationOptions) {
  const { accepts, parse } = boundedDuration(options);
  return define<number>(options, { kind: 'duration', accepts, parse });
}

/** The same, or `never`. */
function durationOrNever(options: DurationOptions) {
  const { accepts, parse } = boundedDuration(options);
  return define<number | 'never'>(options, {
    kind: 'duration or never',
    accepts: `${accepts}, or never`,
    parse: (text) => (text === 'never' ? { value: 'never' } : parse(text)),
  });
}

function boundedDuration(options: DurationOptions) {
  const { atLeast = '0s', atMost = '3650d' } = options;
  const [least, most] = [parseDuration(atLeast)?.value, parseDuration(atMost)?.value];
  if (least === undefined || most === undefined)
    throw new TypeError('atLeast and atMost must be durations such as 10s');
  const bounds = [
    options.atLeast === undefined ? '' : `, at least ${atLeast}`,
    options.atMost === undefined ? '' : `, at most ${atMost}`,
  ].join('');
  return {
    accepts: `a number with a unit, such as 500ms, 10s, 15m, 12h or 30d${bounds}`,
    parse: (text: string) => within(parseDuration(text), (ms) => ms >= least && ms <= most),
  };
}

function count(options: SettingOptions & Bounds) {
  return define<number>(options, {
    kind: 'number',
    accepts: `a whole number from ${options.atLeast} to ${options.atMost}`,
    parse: (text) => within(parseWholeNumber(text), (value) => value >= options.atLeast && value <= options.atMost),
  });
}

/** 0 takes a free one. */
function port(options: SettingOptions) {
  return define<number>(options, {
    kind: 'port',
    accepts: 'a port from 1 to 65535, or 0 for any free one',
    parse: (text) => within(parseWholeNumber(text), (value) => value <= 65_535),
  });
}

/** Kept as it is written: an issuer is compared as text (RFC 8414 section 3.3). */
function url(options: SettingOptions) {
  return define<string>(options, {
    kind: 'URL',
    accepts: 'an absolute http or https URL without user, query and fragment',
    parse: parseUrl,
  });
}

function list(options: SettingOptions & Patterned) {
  const { pattern = /^/, such = '' } = options;
  return define<string[]>(options, {
    kind: 'list',
    accepts: `a comma-separated list${such} without empty or repeated elements`,
    parse: (value) => within(parseList(value), (elements) => elements.every((element) => pattern.test(element))),
  });
}

function flag(options: SettingOptions) {
  return define<boolean>(options, { kind: 'boolean', accepts: 'true or false', parse: parseFlag });
}

function choice<const T extends string>(options: SettingOptions & Choices<T>) {
  return define<T>(options, {
    kind: 'choice',
    accepts: `one of ${options.of.join(', ')}`,
    parse: (text) => {
      const value = options.of.find((candidate) => candidate === text);
      return value === undefined ? undefined : { value };
    },
  });
}

function logLevel(options: SettingOptions) {
  return choice({ ...options, of: ['debug', 'info', 'warn', 'error'] });
}

function path(options: SettingOptions) {
  return define<string>(options, { kind: 'path', accepts: 'a path of a file or directory', parse: parseText });
}

function text(options: SettingOptions & Patterned) {
  const { pattern = /^/, such = '' } = options;
  return define<string>(options, {
    kind: 'text',
    accepts: `one line of text${such}`,
    parse: (value) => within(parseText(value), (line) => pattern.test(line)),
  });
}

/**
 * Also as NAME_FILE.
 * @param options.minLength shortest that is taken, in characters; default 16, which is 96 bits of base64
 */
function secret(options: SettingOptions & SecretLength) {
  const minLength = options.minLength ?? 16;
  return define<string>(options, {
    kind: 'secret',
    accepts: minLength > 1 ? `one line of at least ${minLength} characters` : 'one line of text',
    parse: (value) => within(parseText(value), (secretText) => secretText.length >= minLength),
    hidden: true,
    fromFile: true,
  });
}

/** A certificate or key. Also as NAME_FILE. */
function pem(options: SettingOptions) {
  return define<string>(options, {
    kind: 'PEM',
    accepts: 'PEM text, beginning with -----BEGIN',
    parse: parsePem,
    hidden: true,
    fromFile: true,
  });
}

/** The same setting, which may be absent. */
function optional<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  const meta = settingRegistry.get(schema);
  if (meta === undefined) throw new TypeError('optional must be given a setting');
  const absent = schema.optional();
  settingRegistry.add(absent, { ...meta, required: false });
  return absent;
}

/** Checks the options of a kind before it is made. @throws TypeError for one that is unknown, missing or wrong */
function closed<O extends SettingOptions, T>(check: (given: unknown) => unknown, make: (options: O) => T) {
  return (options: O): T => {
    check(options);
    return make(options);
  };
}

/** The kinds of variables a service may have: each gives the parser of one. Their options are closed. */
export const setting = {
  choice<const T extends string>(options: SettingOptions & Choices<T>) {
    checkChoice(options);
    return choice(options);
  },
  count: closed(checkCount, count),
  duration: closed(checkDuration, duration),
  durationOrNever: closed(checkDuration, durationOrNever),
  flag: closed(checkPlain, flag),
  list: closed(checkPatterned, list),
  logLevel: closed(checkPlain, logLevel),
  optional,
  path: closed(checkPlain, path),
  pem: closed(checkPlain, pem),
  port: closed(checkPlain, port),
  secret: closed(checkSecret, secret),
  text: closed(checkPatterned, text),
  url: closed(checkPlain, url),
};
