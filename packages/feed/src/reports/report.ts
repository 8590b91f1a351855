import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** How far one instance has applied the log. `POST {issuer}/revocations/reports` takes it as JSON. */
export interface InstanceReport {
  /**
   * A random value that only this process knows: at least 128 bits as base64url. The issuer knows an instance by it, so that no
   * other process with the same credential can report in its place.
   */
  readonly key: string;
  /** A name for operators, such as `host:pid`. */
  readonly instance: string;
  /** The version of the service. Null: unknown. */
  readonly version: string | null;
  /** The epoch and seq up to which every event is enforced and durable. */
  readonly epoch: string;
  /** The seq of that position. */
  readonly seq: number;
  /** For how long the position has been enforced, by the monotonic clock of the instance. */
  readonly heldMs: DurationMs;
  /** Earlier positions of the same epoch since the last report, oldest first, each with its `heldMs`. */
  readonly earlier: readonly EarlierPosition[];
  /** The age of the view. Null: unknown. */
  readonly ageMs: DurationMs | null;
  /** Why the view is suspect. Null: it is not. */
  readonly suspect: string | null;
  /** The transport that is read. Null: none. */
  readonly transport: string | null;
  /** The last report of an instance that stops. */
  readonly leaving: boolean;
}

/** A position that was applied since the last report, when several are sent as one. */
export interface EarlierPosition {
  /** The seq of the position, in the epoch of the report. */
  readonly seq: number;
  /** For how long the position has been enforced, by the monotonic clock of the instance. */
  readonly heldMs: DurationMs;
}

/** What the issuer answers. */
export interface ReportAnswer {
  /** How long the instance waits before its next report, also when it advances. */
  readonly nextMs: DurationMs;
}

/** Most positions of one report; beyond, the oldest are left out, and count as reached with the next one. */
export const MAX_EARLIER = 64;
/** Of the JSON text: a report with 64 earlier positions has 4 kB. */
export const MAX_REPORT_BYTES = 16_384;
const MAX_NAME = 128;
/** A longer time is reported as this one. */
export const MAX_HELD_MS: DurationMs = 86_400_000;
/** The greatest time of ECMAScript: with the age of the report it is still a whole number. */
const MAX_AGE_MS: DurationMs = 8_640_000_000_000_000;

const KEY = /^[A-Za-z0-9_-]{22,128}$/;
const EPOCH = /^[\x21-\x7e]{1,128}$/;
const WORD = /^[a-z][a-z0-9_]{0,31}$/;
/** Controls, line ends, and characters that are invisible or turn the direction of others. */
const NOT_VISIBLE = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2028\u2029]/u;

/**
 * Reads the JSON text of a report. Members that it does not know are ignored: instances may be newer than the issuer.
 * @throws RescindError `report_invalid` that names the member and what would be right
 */
export function parseReport(text: string): InstanceReport {
  const body = toObject(text);
  const optional = <T>(name: string, check: (value: unknown) => T | undefined, expected: string): T | null =>
    body[name] === undefined || body[name] === null ? null : member(body, name, check, expected);
  return {
    key: member(body, 'key', matching(KEY), 'must be 22 to 128 characters of base64url'),
    instance: member(body, 'instance', visibleName, VISIBLE_NAME),
    version: optional('version', visibleName, VISIBLE_NAME),
    epoch: member(body, 'epoch', matching(EPOCH), 'must be the epoch of a log'),
    seq: member(body, 'seq', count, COUNT),
    heldMs: member(body, 'heldMs', duration, DURATION),
    earlier: optional('earlier', positions, `must be at most ${MAX_EARLIER} of { seq, heldMs }, in order`) ?? [],
    ageMs: optional('ageMs', age, 'must be a number of milliseconds, or null'),
    suspect: optional('suspect', matching(WORD), 'must be a word such as gap, or null'),
    transport: optional('transport', matching(WORD), 'must be the name of a transport, or null'),
    leaving: optional('leaving', flag, 'must be true or false') ?? false,
  };
}

const VISIBLE_NAME = `must be text of 1 to ${MAX_NAME} visible characters`;
const COUNT = 'must be a whole number from 0';
const DURATION = `must be milliseconds from 0 to ${MAX_HELD_MS}`;

function toObject(text: string): Readonly<Record<string, unknown>> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw invalid('the body must be JSON');
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw invalid('the body must be a JSON object');
}

function member<T>(
  body: Readonly<Record<string, unknown>>,
  name: string,
  check: (value: unknown) => T | undefined,
  expected: string,
): T {
  const value = Object.hasOwn(body, name) ? check(body[name]) : undefined;
  if (value === undefined) throw invalid(`${name} ${expected}`);
  return value;
}

const invalid = (publicDetail: string) => new RescindError('report_invalid', { publicDetail });

const matching = (pattern: RegExp) => (value: unknown) =>
  typeof value === 'string' && pattern.test(value) ? value : undefined;

function visibleName(value: unknown): string | undefined {
  const isName = typeof value === 'string' && value !== '' && value.length <= MAX_NAME && value.isWellFormed();
  return isName && value.search(NOT_VISIBLE) < 0 ? value : undefined;
}

const count = (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;

const duration = (value: unknown) =>
  typeof value === 'number' && value >= 0 && value <= MAX_HELD_MS ? value : undefined;

const age = (value: unknown) => (typeof value === 'number' && value >= 0 && value <= MAX_AGE_MS ? value : undefined);

const flag = (value: unknown) => (typeof value === 'boolean' ? value : undefined);

function positions(value: unknown): EarlierPosition[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_EARLIER) return undefined;
  const read: EarlierPosition[] = [];
  for (const one of value as readonly unknown[]) {
    const { seq, heldMs } = (one ?? {}) as Partial<Record<keyof EarlierPosition, unknown>>;
    const [position, held] = [count(seq), duration(heldMs)];
    if (position === undefined || held === undefined || position <= (read.at(-1)?.seq ?? -1)) return undefined;
    read.push({ seq: position, heldMs: held });
  }
  return read;
}
