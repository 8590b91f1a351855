import type { CutOff, EpochMillis, Revocation } from '@rescind/revocation';
import { NO_SESSION } from '@rescind/revocation';

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type';
const RISC = 'https://schemas.openid.net/secevent/risc/event-type';
const OWN = 'https://rescind.dev/events';

/** The one event type that says nothing was revoked: how far the log goes, and when that was so. */
export const HEARTBEAT_TYPE = `${OWN}/heartbeat`;

/** The claim of a cut-off that revokes a key of the log's events: no token has it. */
export const EVENT_KID = 'event_kid';

/** Reasons for which CAEP 1.0 or RISC 1.0 has a type of its own, if the event is about one user and ends the sessions. */
const BY_REASON: Readonly<Record<string, string>> = {
  password_changed: `${CAEP}/credential-change`,
  password_reset: `${CAEP}/credential-change`,
  credential_changed: `${CAEP}/credential-change`,
  suspended: `${RISC}/account-disabled`,
  blocked: `${RISC}/account-disabled`,
  banned: `${RISC}/account-disabled`,
  account_disabled: `${RISC}/account-disabled`,
  deleted: `${RISC}/account-purged`,
  account_deleted: `${RISC}/account-purged`,
};

/** By the claim of the first cut-off; what is in neither vocabulary has a word of ours. */
const BY_CLAIM: Readonly<Record<string, string>> = {
  jti: `${OWN}/token-revoked`,
  sid: `${CAEP}/session-revoked`,
  sub: `${CAEP}/session-revoked`,
  client_id: `${CAEP}/session-revoked`,
  kid: `${OWN}/key-revoked`,
  event_kid: `${OWN}/event-key-revoked`,
  iss: `${OWN}/issuer-revoked`,
};

/** The type of an event: CAEP's or RISC's where one fits, so that an outside receiver of shared signals can read it. */
export function eventType(reason: string, first: CutOff): string {
  const isSoft = first.sessionUntil === NO_SESSION;
  if (isSoft && (first.claim === 'sub' || first.claim === 'sid')) return `${CAEP}/token-claims-change`;
  if (first.claim === 'sub') {
    return (Object.hasOwn(BY_REASON, reason) ? BY_REASON[reason] : undefined) ?? `${CAEP}/session-revoked`;
  }
  const byClaim = Object.hasOwn(BY_CLAIM, first.claim) ? BY_CLAIM[first.claim] : undefined;
  return byClaim ?? `${OWN}/claim-revoked`;
}

/** The last word of an event's type, as metrics name it. */
export function eventTypeName({ reason, cutOffs: [first] }: Revocation): string {
  const type = first === undefined ? '' : eventType(reason, first);
  return type.slice(type.lastIndexOf('/') + 1);
}

/** What stands under the type: our reason, and what the vocabulary demands of that type. Nothing personal. */
export function eventObject(type: string, reason: string, at: EpochMillis): Readonly<Record<string, unknown>> {
  const object: Record<string, unknown> = { reason };
  // CAEP 1.0 section 2: a NumericDate.
  if (type.startsWith(CAEP)) object.event_timestamp = Math.floor(at / 1000);
  // CAEP 1.0 section 3.3.1: both are required.
  if (type === `${CAEP}/credential-change`)
    Object.assign(object, { credential_type: 'password', change_type: 'update' });
  // CAEP 1.0 section 3.2.1: required; the new values would be personal, so none is named.
  if (type === `${CAEP}/token-claims-change`) object.claims = {};
  return object;
}

/** Whom an event is about, as a subject identifier: RFC 9493, and SSF 1.0 for `jwt_id` and complex subjects. */
export function subjectOf({ iss, claim, value }: CutOff): Readonly<Record<string, unknown>> {
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
