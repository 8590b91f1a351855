import type { EventBody } from './claims.ts';
import { MAX_EVENT_BYTES, readBody } from './claims.ts';
import { HEARTBEAT_TYPE } from './vocabulary.ts';

/** As it stands in a payload: an event that mentions it elsewhere is verified all the same, only not passed over. */
const HEARTBEAT_MEMBER = `{"${HEARTBEAT_TYPE}":`;

/**
 * The member as base64url has it, where it begins with the first, second or third of three bytes; without the characters
 * that hold bits of what stands beside it. Most texts have none of these, and need not be decoded.
 */
const ENCODED_MEMBERS = [0, 1, 2].map((before) => {
  const text = Buffer.from(`${' '.repeat(before)}${HEARTBEAT_MEMBER}`).toString('base64url');
  const whole = Math.floor((before + HEARTBEAT_MEMBER.length) / 3) * 4;
  return text.slice(before === 0 ? 0 : before + 1, whole);
});

/** Longer than any header of ours: one that names a key in more has made it up. */
const MAX_HEADER = 1_024;

/** Whether a text looks like a heartbeat. Cheap, and proves nothing: only says whether it is worth verifying. */
export function peekIsHeartbeat(jws: string): boolean {
  if (jws.length > MAX_EVENT_BYTES || !ENCODED_MEMBERS.some((member) => jws.includes(member))) return false;
  const payload = jws.slice(jws.indexOf('.') + 1, jws.lastIndexOf('.'));
  return Buffer.from(payload, 'base64url').toString('latin1').includes(HEARTBEAT_MEMBER);
}

/** The key id a text names; undefined when it names none. Proves nothing. */
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

/** Where a text says that it stands and when it was made; undefined where it says nothing usable. Proves nothing. */
export function peekPosition(jws: string): { readonly epoch: string | null; readonly at: number } | undefined {
  if (jws.length > MAX_EVENT_BYTES) return undefined;
  try {
    const payload = jws.slice(jws.indexOf('.') + 1, jws.lastIndexOf('.'));
    const { epoch, iat_ms: at } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return { epoch: typeof epoch === 'string' ? epoch : null, at: typeof at === 'number' ? at : 0 };
  } catch {
    return undefined;
  }
}

/**
 * What an event says that this process wrote itself: nothing is verified.
 * @throws Error for a text that is no event
 */
export function readOwnEvent(jws: string): EventBody {
  const payload = jws.slice(jws.indexOf('.') + 1, jws.lastIndexOf('.'));
  const body = readBody(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  if (typeof body === 'string') throw new Error(`an event of the own log cannot be read: ${body}`);
  return body;
}
