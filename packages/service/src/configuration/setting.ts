import { isHttpUrl } from '@rescind/revocation/http';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { z } from 'zod';

/** The description of a setting, for messages and for docs/configuration.md. */
interface SettingMeta {
  readonly kind: string;
  readonly about: string;
  /** The accepted values; it follows "must be". */
  readonly accepts: string;
  /** Its default, as text of the environment. */
  readonly default?: string;
  readonly required: boolean;
  /** Its value is never printed. */
  readonly hidden: boolean;
  /** Whether it may be given as NAME_FILE: the path of a file with its value. */
  readonly fromFile: boolean;
  /** Variables that are required when this one is set. */
  readonly needs: readonly string[];
}

const settingRegistry = z.registry<SettingMeta>();

/** A parser for each variable, by its name. */
export type Settings = z.ZodObject<Record<string, z.ZodType>>;

/** The description of a setting. @throws TypeError when it was not made by `setting` */
export function metaOf(settings: Settings, name: string): SettingMeta {
  const schema = settings.shape[name];
  const meta = schema === undefined ? undefined : settingRegistry.get(schema);
  if (meta === undefined) throw new TypeError(`${name} must be made by one of the functions of \`setting\``);
  return meta;
}

/** The options of all kinds. `about` is the variable's sentence in docs/configuration.md. */
interface SettingOptions {
  readonly about: string;
  /** Default, as text of the environment. Without one the variable is required, unless it is `optional`. */
  readonly default?: string;
  /** Variables that are required when this one is set. */
  readonly needs?: readonly string[];
}

/** A pattern of a text, or of each element of a list, and its description. */
interface Patterned {
  readonly pattern?: RegExp;
  /** Appended to `one line of text` or `a comma-separated list`; it begins with a space. */
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

/** A duration, in ms. Bounds are texts: `atLeast: '1s'`. */
function duration(options: DurationOptions) {
  const { accepts, parse } = boundedDuration(options);
  return define<number>(options, { kind: 'duration', accepts, parse });
}

/** A duration, or `never`. */
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
  const [min, max] = [parseDuration(atLeast)?.value, parseDuration(atMost)?.value];
  if (min === undefined || max === undefined) throw new TypeError('atLeast and atMost must be durations such as 10s');
  const bounds = [
    options.atLeast === undefined ? '' : `, at least ${atLeast}`,
    options.atMost === undefined ? '' : `, at most ${atMost}`,
  ].join('');
  return {
    accepts: `a number with a unit, such as 500ms, 10s, 15m, 12h or 30d${bounds}`,
    parse: (text: string) => within(parseDuration(text), (ms) => ms >= min && ms <= max),
  };
}

function count(options: SettingOptions & Bounds) {
  return define<number>(options, {
    kind: 'number',
    accepts: `a whole number from ${options.atLeast} to ${options.atMost}`,
    parse: (text) => within(parseWholeNumber(text), (value) => value >= options.atLeast && value <= options.atMost),
  });
}

/** A port. 0: any free one. */
function port(options: SettingOptions) {
  return define<number>(options, {
    kind: 'port',
    accepts: 'a port from 1 to 65535, or 0 for any free one',
    parse: (text) => within(parseWholeNumber(text), (value) => value <= 65_535),
  });
}

/** A URL, kept unchanged: issuers are compared as text (RFC 8414 section 3.3). */
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
 * A secret, also as NAME_FILE.
 * @param options.minLength shortest accepted secret, in characters; default 16, which is 96 bits of base64
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

/** Makes a setting optional. */
function optional<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  const meta = settingRegistry.get(schema);
  if (meta === undefined) throw new TypeError('the argument of optional must be a setting');
  const absent = schema.optional();
  settingRegistry.add(absent, { ...meta, required: false });
  return absent;
}

/** Checks the options before it makes the setting. @throws TypeError for one that is unknown, missing or wrong */
function closed<O extends SettingOptions, T>(check: (given: unknown) => unknown, make: (options: O) => T) {
  return (options: O): T => {
    check(options);
    return make(options);
  };
}

/** The kinds of variables. Each function makes the parser of one. Their options are closed. */
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

/** The result of a parser: the value; undefined: the text is not valid. */
type Parsed<T> = { readonly value: T } | undefined;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `500ms`, `10s`, `15m`, `1h`, `30d` into ms. A number without a unit is refused. */
function parseDuration(text: string): Parsed<number> {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? { value } : undefined;
}

function parseWholeNumber(text: string): Parsed<number> {
  return /^\d{1,15}$/.test(text) ? { value: Number(text) } : undefined;
}

/** Parses an absolute http or https URL without credentials, query and fragment. Returns the text, since issuers are compared as text. */
function parseUrl(text: string): Parsed<string> {
  return isHttpUrl(text) ? { value: text } : undefined;
}

/** Parses a comma-separated list. White space around elements is removed; empty and duplicate elements are refused. */
function parseList(text: string): Parsed<string[]> {
  const value = text.split(',').map((element) => element.trim());
  return value.includes('') || new Set(value).size !== value.length ? undefined : { value };
}

function parseFlag(text: string): Parsed<boolean> {
  if (text === 'true') return { value: true };
  return text === 'false' ? { value: false } : undefined;
}

/** Parses one line of text without control characters. */
function parseText(text: string): Parsed<string> {
  return /\p{Cc}/u.test(text) ? undefined : { value: text };
}

function parsePem(text: string): Parsed<string> {
  return /^-----BEGIN [A-Z0-9 ]+-----\n[\s\S]+\n-----END [A-Z0-9 ]+-----\n*$/.test(text) ? { value: text } : undefined;
}
