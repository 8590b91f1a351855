import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { RescindErrorOptions } from '@rescind/revocation/errors';
import type { FullPolicy } from '../clients/requirements.ts';
import { policyOf } from '../clients/requirements.ts';
import type { IssuerContext } from '../context.ts';
import type { SubjectReads, SubjectRecord } from '../issuer.ts';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { Session } from '../store/sessions.ts';
import type { Transaction } from '../transaction.ts';
import type { Audience } from './audience.ts';
import { parseScope, presentScope, requireWithin } from './audience.ts';

/** A session that continues, with its subject, its client and its policy as they are now. */
export interface Grant {
  readonly session: Session;
  readonly subject: SubjectRecord;
  readonly client: RegisteredClient;
  readonly policy: FullPolicy;
}

/** The present client of a session, and its policy. @throws RescindError `client_invalid` */
export async function termsOf(
  { clients, policy }: IssuerContext,
  tx: Transaction,
  session: Session,
): Promise<Pick<Grant, 'client' | 'policy'>> {
  const client = await clients.requireEnabled(tx.store.clients, session.clientId);
  return { client, policy: policyOf(policy, client.policy, session.policy) };
}

/** Whether a session has ended or is past a deadline. A session whose token would expire in the second of its minting counts as ended. */
export function hasEnded({ endedAt, absoluteExpiresAt, idleExpiresAt }: Session, at: EpochMillis): boolean {
  return endedAt !== null || at + 1000 > absoluteExpiresAt || at >= idleExpiresAt;
}

/**
 * The subject of a session, if another token may be minted for it. The holder of a token of the session may learn the reason of a refusal.
 * @throws RescindError `grant_invalid`, `grant_suspended`, `reauthentication_required`
 */
export async function requireContinuing(
  context: IssuerContext,
  from: SubjectReads,
  session: Session,
  at: EpochMillis,
): Promise<SubjectRecord> {
  if (hasEnded(session, at)) throw new RescindError('grant_invalid');
  const subject = await context.subject(from, session.sub);
  if (subject === undefined) throw new RescindError('grant_invalid');
  if (!subject.active) throw new RescindError('grant_suspended', reasonOf(subject.reason));
  if (subject.credentialVersion !== session.credentialVersion) throw new RescindError('grant_invalid');
  if (session.reauthenticationReason !== null) {
    throw new RescindError('reauthentication_required', reasonOf(session.reauthenticationReason));
  }
  return subject;
}

/** The error for an ended session: the holder of a token of it may learn the reason. */
export async function refusalOfEnded(
  context: IssuerContext,
  from: SubjectReads,
  { sub, endReason }: Session,
): Promise<RescindError> {
  const subject = await context.subject(from, sub);
  if (subject?.active === false) return new RescindError('grant_suspended', reasonOf(subject.reason));
  return new RescindError('grant_invalid', reasonOf(endReason ?? undefined));
}

export function reasonOf(reason: string | undefined): RescindErrorOptions {
  return reason === undefined ? {} : { detail: reason, reason };
}

/** The scope that a subject may have now through a client, for all audiences together. */
export function allowedScope({ claims }: SubjectRecord, client: RegisteredClient): string[] {
  const all = parseScope(typeof claims.scope === 'string' ? claims.scope : '');
  if (client.scope === undefined) return all;
  const registered = new Set(parseScope(client.scope));
  return all.filter((token) => registered.has(token));
}

interface AccessRequest {
  readonly session: Session;
  readonly subject: SubjectRecord;
  readonly client: RegisteredClient;
  /** The bound of the scope: as requested at the login, or that of the previous token; null: none. */
  readonly bound: string | null;
  /** Narrows the scope further (RFC 6749 section 6). */
  readonly scope: string | undefined;
  /** RFC 8707. */
  readonly resource: readonly string[] | undefined;
  /** The audience where no resource is named; default: the session's. */
  readonly usual?: Audience;
}

/**
 * Audience and scope of another access token of a session.
 * @throws RescindError `target_invalid`, `scope_invalid`
 */
export function grantAccess(
  { audiences }: Pick<IssuerContext, 'audiences'>,
  { session, subject, client, bound, scope: requested, resource, usual = session.audience ?? undefined }: AccessRequest,
): { readonly audience: Audience; readonly scope: readonly string[] } {
  const audience = audiences.choose({ requested: resource, usual: usual ?? null, client });
  const granted = audiences.scopesFor(audience, presentScope(bound, allowedScope(subject, client)));
  return { audience, scope: requested === undefined ? granted : requireWithin(requested, granted) };
}
