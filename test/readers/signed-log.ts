import type { EventToEncode, HeartbeatToEncode } from '@rescind/feed/event';
import { createEventEncoder } from '@rescind/feed/event';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import type { CutOffEntry } from '../support/cut-offs.ts';
import { toCutOff } from '../support/cut-offs.ts';
import type { TokenVector } from './vector.ts';

// Signed records of a log, and tokens. The keys are generated here and not stored.

export const LOG = 'https://login.example';
export const OTHER = 'https://partner.example';
export const AT = 1_800_000_000_500;
export const EXPIRES = AT + 3_600_000;
export const [E1, E2, FORGED] = ['000001-a', '000002-b', '999999-x'] as const;

/** Keys of events: the one that signed the epoch before, the present one, the next one, and one that is in no set. */
export const [former, present, next, stranger] = [newKey(), newKey(), newKey(), newKey()] as const;
type Key = typeof present;

function newKey() {
  return generateSigningKey();
}

const signerOf = (key: Key) => createSigner(key, { typ: 'secevent+jwt' });
const encoderOf = (key: Key) => createEventEncoder({ log: LOG, sign: signerOf(key) });
export const setOf = (epoch: string, signing: Key, ...others: Key[]) => ({
  keys: { ...publicJwks([signing, ...others]), epoch, epoch_kid: signing.kid },
});
/** The set that the issuer responds with from here on. The reader has not fetched it yet. */
export const served = ({ keys }: ReturnType<typeof setOf>) => ({ served: keys });
export const USUAL = setOf(E1, present, former);

export function deny(claim: string, value: string, change: Partial<CutOffEntry> = {}): CutOffEntry {
  return { iss: LOG, claim, value, expiresAt: EXPIRES, endsSession: true, ...change };
}
export const until = (issuedUntil: number, endsSession = true) => ({ issuedUntil, endsSession });

export function event(seq: number, entries: CutOffEntry[], change: Partial<EventToEncode> = {}, key: Key = present) {
  const place = { epoch: E1, seq, id: `e${seq}`, prev: seq === 1 ? null : `e${seq - 1}`, at: AT };
  const body = { txn: `t${seq}`, reason: 'logout', cutOffs: entries.map(toCutOff) };
  return encoderOf(key).event({ ...place, ...body, ...change });
}

export function heartbeat(head: number, change: Partial<HeartbeatToEncode> = {}, key: Key = present) {
  const headId = head === 0 ? null : `e${head}`;
  return encoderOf(key).heartbeat({ epoch: E1, head, headId, lowWatermark: 1, at: AT + 1_000, ...change });
}

export const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const payloadOf = (jws: string): object => JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());

/** Signs what the encoder refuses to encode. */
export const changed = (jws: string, change: object, key: Key = present, typ = 'secevent+jwt') =>
  createSigner(key, { typ })({ ...payloadOf(jws), ...change });

export const withHeader = (jws: string, header: object) => [part(header), ...jws.split('.').slice(1)].join('.');

/** A token of the log's own issuer; `by` names the cut-off that denies it. */
export function token(
  payload: object,
  by: TokenVector['by'] = null,
  endsSession = true,
  kid = 'token-key',
): TokenVector {
  const iat = Math.floor(AT / 1000);
  return {
    kid,
    payload: { iss: LOG, iat, iat_ms: AT, ...payload },
    denied: by !== null,
    by,
    ...(by !== null && !('unjudgeable' in by) ? { endsSession } : {}),
  };
}
export const by = (claim: string, value: string, iss = LOG) => ({ iss, claim, value });

/** The event that denies the session `s<seq>`, and a token of that session. */
export const s = (seq: number) => event(seq, [deny('sid', `s${seq}`)]);
export const dead = (seq: number) => token({ sid: `s${seq}` }, by('sid', `s${seq}`));
