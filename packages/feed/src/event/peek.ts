import type { EventBody } from './claims.ts';
import { MAX_EVENT_BYTES, readBody } from './claims.ts';
import { HEARTBEAT_TYPE } from './vocabulary.ts';

/** The member as a payload has it. An event that contains this text elsewhere is verified, too. */
const HEARTBEAT_MEMBER = `{"${HEARTBEAT_TYPE}":`;

/**
 * The member in base64url, for each of the three byte offsets at which it may begin, without the characters that share bits with
 * neighbouring text. Most texts contain none of these, and need not be decoded.
 */
const ENCODED_MEMBERS = [0, 1, 2].map((before) => {
  const text = Buffer.from(`${' '.repeat(before)}${HEARTBEAT_MEMBER}`).toString('base64url');
  const whole = Math.floor((before + HEARTBEAT_MEMBER.length) / 3) * 4;
  return text.slice(before === 0 ? 0 : before + 1, whole);
});

/** Longer than any valid header: a longer one names no key of the log. */
const MAX_HEADER = 1_024;

/** The bytes of the payload of a text, whatever they are. */
const payloadOf = (jws: string): Buffer =>
  Buffer.from(jws.slice(jws.indexOf('.') + 1, jws.lastIndexOf('.')), 'base64url');

/** Whether a text looks like a heartbeat. Cheap, and unverified. */
export function peekIsHeartbeat(jws: string): boolean {
  if (jws.length > MAX_EVENT_BYTES || !ENCODED_MEMBERS.some((member) => jws.includes(member))) return false;
  return payloadOf(jws).toString('latin1').includes(HEARTBEAT_MEMBER);
}

/** The claimed key id of a text, unverified; undefined without one. */
export function peekKid(jws: string): string | undefined {
  const end = jws.indexOf('.');
  if (end <= 0 || end > MAX_HEADER) return undefined;
  try {
    const header: unknown = JSON.parse(Buffer.from(jws.slice(0, end), 'base64url').toString('utf8'));
    if (typeof header !== 'object' || header === null || !('kid' in header)) return undefined;
    return typeof header.kid === 'string' && header.kid !== '' ? header.kid : undefined;
  } catch {
    return undefined;
  }
}

/** The claimed epoch and time of a text, unverified; undefined without usable ones. */
export function peekPosition(jws: string): { readonly epoch: string | null; readonly at: number } | undefined {
  if (jws.length > MAX_EVENT_BYTES) return undefined;
  try {
    const { epoch, iat_ms: at } = JSON.parse(payloadOf(jws).toString('utf8'));
    return { epoch: typeof epoch === 'string' ? epoch : null, at: typeof at === 'number' ? at : 0 };
  } catch {
    return undefined;
  }
}

/** Longer than any name of a log that is worth reading. */
const MAX_ISSUER = 256;

/** The claimed `iss` of a text; undefined without a usable one. */
export function peekIssuer(jws: string): string | undefined {
  try {
    const { iss } = JSON.parse(payloadOf(jws).toString('utf8'));
    return typeof iss === 'string' && iss.length <= MAX_ISSUER ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** The claimed `txn` of a text, unverified; undefined without one, as in a heartbeat. */
export function peekTxn(jws: string): string | undefined {
  try {
    const { txn } = JSON.parse(payloadOf(jws).toString('utf8'));
    return typeof txn === 'string' && txn !== '' ? txn : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Decodes an event that this process encoded itself, without verification.
 * @throws Error for a text that is no event
 */
export function readOwnEvent(jws: string): EventBody {
  const body = readBody(JSON.parse(payloadOf(jws).toString('utf8')));
  if (typeof body === 'string') throw new Error(`an event of the own log cannot be read: ${body}`);
  return body;
}
