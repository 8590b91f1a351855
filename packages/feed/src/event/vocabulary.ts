import type { EpochMillis } from '@rescind/revocation';
import type { CutOff, Revocation } from '@rescind/revocation/cut-off';
import { NO_SESSION } from '@rescind/revocation/cut-off';

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type';
const RISC = 'https://schemas.openid.net/secevent/risc/event-type';
const OWN = 'https://rescind.dev/events';

/** The event type that revokes nothing: it states the head of the log, and the time of that. */
export const HEARTBEAT_TYPE = `${OWN}/heartbeat`;

/** The claim of a cut-off that revokes a key of the log's events: no token has it. */
export const EVENT_KID = 'event_kid';

/** Types of CAEP 1.0 and RISC 1.0 for some reasons, if an event ends all sessions of one user. */
const BY_REASON: Readonly<Record<string, string>> = {
  password_changed: `${CAEP}/credential-change`,
  password_reset: `${CAEP}/credential-change`,
  suspended: `${RISC}/account-disabled`,
  blocked: `${RISC}/account-disabled`,
  banned: `${RISC}/account-disabled`,
  account_disabled: `${RISC}/account-disabled`,
  hijacking: `${RISC}/account-disabled`,
  bulk_account: `${RISC}/account-disabled`,
  deleted: `${RISC}/account-purged`,
  account_deleted: `${RISC}/account-purged`,
};

/** The members of a type other than `event_timestamp`. A type without an entry has none. */
const MEMBERS: Readonly<Record<string, (reason: string) => Readonly<Record<string, unknown>>>> = {
  // CAEP 1.0 section 3.3.1: both are required. The type is used for passwords only.
  [`${CAEP}/credential-change`]: () => ({ credential_type: 'password', change_type: 'update' }),
  // RISC 1.0 section 2.3: optional, one of these two.
  [`${RISC}/account-disabled`](reason) {
    if (reason === 'hijacking') return { reason };
    return reason === 'bulk_account' ? { reason: 'bulk-account' } : {};
  },
};

const SESSION_REVOKED = `${CAEP}/session-revoked`;

/** By the claim of the cut-off, and whether sessions end. Neither vocabulary has a type for these that this log can conform to. */
const OWN_BY_CLAIM: Readonly<Record<string, string>> = {
  jti: 'token-revoked',
  client_id: 'client-revoked',
  kid: 'key-revoked',
  event_kid: 'event-key-revoked',
  iss: 'issuer-revoked',
};

/**
 * The type of an event. It is one of CAEP 1.0 or RISC 1.0 only if the event conforms to it: one subject, every required member known.
 * `token-claims-change` of CAEP requires the new values of claims, which the log does not have.
 */
export function eventType({ reason, cutOffs: [first, ...others] }: Pick<Revocation, 'reason' | 'cutOffs'>): string {
  if (first === undefined || others.length > 0) return `${OWN}/several-revoked`;
  const { claim } = first;
  const isSoft = first.sessionUntil === NO_SESSION;
  if (claim === 'sid') return isSoft ? `${OWN}/session-tokens-revoked` : SESSION_REVOKED;
  if (claim === 'sub') return isSoft ? `${OWN}/user-tokens-revoked` : (ownMember(BY_REASON, reason) ?? SESSION_REVOKED);
  return `${OWN}/${ownMember(OWN_BY_CLAIM, claim) ?? 'claim-revoked'}`;
}

function ownMember<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** The last segment of an event's type: the label of metrics. */
export function eventTypeName(revocation: Revocation): string {
  const type = eventType(revocation);
  return type.slice(type.lastIndexOf('/') + 1);
}

/** The value of the type: the members that its vocabulary defines. Nothing personal. */
export function eventObject(type: string, reason: string, at: EpochMillis): Readonly<Record<string, unknown>> {
  // For readers of the version before, which read the reason here only.
  if (type.startsWith(OWN)) return { reason };
  const members = ownMember(MEMBERS, type)?.(reason) ?? {};
  // CAEP 1.0 section 2: a NumericDate.
  return type.startsWith(CAEP) ? { event_timestamp: Math.floor(at / 1000), ...members } : members;
}

/**
 * The subject of an event with one cut-off, as a subject identifier: RFC 9493, and SSF 1.0 for `jwt_id` and complex subjects. Undefined for
 * several cut-offs: `sub_id` names one subject.
 */
export function subjectOf([first, ...others]: readonly CutOff[]): Readonly<Record<string, unknown>> | undefined {
  if (first === undefined || others.length > 0) return undefined;
  const { iss, claim, value } = first;
  const opaque = { format: 'opaque', id: value };
  switch (claim) {
    case 'sub':
      return { format: 'iss_sub', iss, sub: value };
    case 'jti':
      return { format: 'jwt_id', iss, jti: value };
    case 'sid':
      return { format: 'complex', session: opaque };
    case 'client_id':
      return { format: 'complex', application: opaque };
    case 'tenant':
      return { format: 'complex', tenant: opaque };
    case 'group':
      return { format: 'complex', group: opaque };
    default:
      return opaque;
  }
}
