import type { Accounts } from '@rescind/accounts';
import type { CutOffRequest, Issuer, IssuerTransaction } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { TokenCheck } from '../http/caller.ts';
import { GRANTABLE_SCOPES, requires } from '../scopes.ts';
import type { Administrator } from './administrators.ts';
import { isGreater, requireScopes, requireWithin } from './administrators.ts';
import type { CutoffBody } from './revocation-schemas.ts';

export interface CutoffSource {
  /** The `iss` of our own tokens. */
  readonly issuer: string;
  readonly explain: Issuer['explain'];
  readonly keys: Pick<Issuer['keys'], 'list'>;
}

/** The cut-offs that a body requests. @throws RescindError `request_invalid` naming the invalid one */
export async function cutoffRequests(
  bodies: readonly CutoffBody[],
  reason: string,
  source: CutoffSource,
): Promise<CutOffRequest[]> {
  const requests: CutOffRequest[] = [];
  for (const [index, body] of bodies.entries()) {
    const refuse: Refuse = (message, member) => {
      throw new RequestRefused([{ path: `cutoffs.${index}.${member}`, message }]);
    };
    requests.push({ ...(await cutoffOf(body, source, refuse)), reason });
  }
  return requests;
}

type Refuse = (message: string, member: string) => never;

async function cutoffOf(
  body: CutoffBody,
  source: CutoffSource,
  refuse: Refuse,
): Promise<Omit<CutOffRequest, 'reason'>> {
  if ('token' in body) return byToken(body.token, source, refuse);
  const { claim } = body;
  const issuer = ('issuer' in body ? body.issuer : undefined) ?? source.issuer;
  const value = 'value' in body ? body.value : issuer;
  const expiresAt = 'expiresAt' in body ? body.expiresAt : undefined;
  const endsSession = 'endsSession' in body ? body.endsSession : undefined;
  if (claim === 'kid' && (await source.keys.list()).some(({ kid, purpose }) => kid === value && purpose === 'event')) {
    refuse('is the key of events: revoke it at /admin/keys/{kid}/revoke', 'value');
  }
  return {
    claim,
    value,
    ...(issuer === source.issuer ? {} : { issuer }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(endsSession === undefined ? {} : { endsSession }),
  };
}

async function byToken(
  token: string,
  { explain }: CutoffSource,
  refuse: Refuse,
): Promise<Omit<CutOffRequest, 'reason'>> {
  const { jti, exp } = (await explain({ token })).claims ?? {};
  if (typeof jti !== 'string' || typeof exp !== 'number') {
    return refuse('must be an access token of this issuer that has not expired', 'token');
  }
  return { claim: 'jti', value: jti, expiresAt: exp * 1_000 };
}

/** The subjects of the access tokens in a body. */
export async function holdersOf(
  bodies: readonly CutoffBody[],
  { explain }: Pick<CutoffSource, 'explain'>,
): Promise<string[]> {
  const holders: string[] = [];
  for (const body of bodies) {
    const sub = 'token' in body ? (await explain({ token: body.token })).claims?.sub : undefined;
    if (typeof sub === 'string') holders.push(sub);
  }
  return holders;
}

/** The cut-offs as the audit names them: of a token's id the first characters only. */
export function targetsOf(bodies: readonly CutoffBody[]): string[] {
  return bodies.map((body) => {
    if ('token' in body) return 'token';
    if (!('value' in body)) return 'issuer' in body ? `iss:${body.issuer}` : 'everybody';
    return body.claim === 'jti' ? `jti:${body.value.slice(0, 8)}…` : `${body.claim}:${body.value}`;
  });
}

/** Claims whose cut-off affects one user's tokens. Every other may affect the tokens of all. */
const OF_ONE: ReadonlySet<string> = new Set(['jti', 'sid', 'sub']);

/** A command with its `confirm`. */
export interface Confirmed {
  readonly administrator: Administrator;
  readonly confirm: Confirmation | undefined;
}

/** `everybody`, or the number of sessions that the preview counted. */
type Confirmation = 'everybody' | number;

/**
 * Requires confirmation and a recent login for a command that may affect the tokens of more than one user.
 * @throws RescindError `confirmation_missing`, `authentication_insufficient`
 */
export function requireConfirmed({ administrator, confirm }: Confirmed, recent: RequireRecent): void {
  if (confirm === undefined) throw new RescindError('confirmation_missing');
  recent(administrator);
}

/**
 * Requires that a command affects no more sessions than were confirmed. Without a number anything is confirmed.
 * @throws RescindError `confirmation_outgrown`
 */
function requireNotOutgrown(confirm: Confirmation | undefined, sessions: number): void {
  if (typeof confirm !== 'number' || sessions <= confirm) return;
  throw new RescindError('confirmation_outgrown', { publicDetail: `${sessions} sessions by now` });
}

interface ConfirmedCutOffs extends Pick<Confirmed, 'confirm'> {
  readonly cutoffs: CutOffRequest | readonly CutOffRequest[];
}

/**
 * Previews again what was confirmed by a number: before a transaction, because it may read every session.
 * @throws RescindError `confirmation_outgrown`
 */
export async function requirePreviewed(
  issuer: Pick<Issuer, 'preview'>,
  { cutoffs, confirm }: ConfirmedCutOffs,
): Promise<void> {
  if (typeof confirm !== 'number') return;
  const { sessions, affectedSessions } = await issuer.preview(cutoffs);
  requireNotOutgrown(confirm, Math.max(sessions, affectedSessions));
}

/**
 * Revokes what was previewed and confirmed; the sessions that end are counted in the transaction.
 * @throws RescindError `confirmation_outgrown`; nothing is revoked then
 */
export async function revokeConfirmed<T extends { readonly endedSessions: number }>(
  issuer: Pick<Issuer, 'preview' | 'transaction'>,
  { cutoffs, confirm }: ConfirmedCutOffs,
  revoke: (tx: IssuerTransaction) => Promise<T>,
): Promise<T> {
  await requirePreviewed(issuer, { cutoffs, confirm });
  return issuer.transaction(async (tx) => {
    const done = await revoke(tx);
    requireNotOutgrown(confirm, done.endedSessions);
    return done;
  });
}

interface MeantSource {
  /** The subject of a session; undefined: it is unknown. */
  subOf(sid: string): Promise<string | undefined>;
  /** The subjects of the access tokens in the body. */
  readonly holders: readonly string[];
  /** The cut-offs that are not by a token. */
  readonly others: readonly CutOffRequest[];
  /** Refuses cut-offs that affect a user with an admin scope that the administrator lacks. */
  readonly requireNoneGreater: RequireNoneGreater;
  readonly recent: RequireRecent;
}

/**
 * Requires the rights for these cut-offs: the scope of keys for `kid`, all admin scopes of each user whose tokens they deny, and
 * confirmation if they may affect more than one user.
 * @throws RescindError `scope_insufficient`, `confirmation_missing`, `authentication_insufficient`
 */
export async function requireMeant(
  cutoffs: readonly CutOffRequest[],
  by: Confirmed,
  source: MeantSource,
): Promise<void> {
  if (cutoffs.some(({ claim }) => claim === 'kid')) requireScopes(by.administrator, requires('admin:keys:write'));
  await source.requireNoneGreater(by.administrator, source.others, source.holders);
  const persons: string[] = [];
  for (const cutoff of cutoffs) persons.push(await personOf(cutoff, source));
  const isOfOne = cutoffs.every(({ claim }) => OF_ONE.has(claim)) && new Set(persons).size === 1;
  if (!isOfOne) requireConfirmed(by, source.recent);
}

/** A key that is equal for two cut-offs of one user. */
async function personOf({ claim, value, issuer }: CutOffRequest, { subOf }: MeantSource): Promise<string> {
  const ofSession = issuer === undefined && claim === 'sid' ? await subOf(value) : undefined;
  const sub = issuer === undefined && claim === 'sub' ? value : ofSession;
  return JSON.stringify(sub === undefined ? [issuer, claim, value] : [sub]);
}

/**
 * @param holders further subjects whose tokens are affected
 * @throws RescindError `scope_insufficient` naming what is missing
 */
export type RequireNoneGreater = (
  administrator: Administrator,
  cutoffs: readonly CutOffRequest[],
  holders?: readonly string[],
) => Promise<void>;

interface GreaterSource {
  /** Users who have scopes of their own. */
  readonly users: Pick<Accounts['administration'], 'listScoped'>;
  readonly issuer: Pick<Issuer, 'affectedSubjects' | 'sessions'>;
  scopesOf(sub: string): readonly string[];
}

/** Compares the admin scopes of an administrator with those of every user whose tokens would be denied. */
export function createRequireNoneGreater({ users, issuer, scopesOf }: GreaterSource): RequireNoneGreater {
  return async (administrator, cutoffs, holders = []) => {
    const named: string[] = [];
    for (const { claim, value, issuer: foreign } of cutoffs) {
      if (foreign !== undefined) continue;
      const sub = claim === 'sid' ? (await issuer.sessions.find(value))?.sub : undefined;
      if (sub !== undefined) named.push(sub);
      if (claim === 'sub') named.push(value);
    }
    const greater = users.listScoped().filter((sub) => isGreater(administrator, scopesOf(sub)));
    const affected = cutoffs.length === 0 ? [] : await issuer.affectedSubjects(cutoffs, greater);
    for (const sub of [...holders, ...named, ...affected]) requireWithin(administrator, scopesOf(sub));
  };
}

type PreviewWithAdministrators = Awaited<ReturnType<Issuer['preview']>> & { readonly administrators: number };
/** Previews cut-offs, and counts the administrators among the affected users. */
export type PreviewCutOffs = (cutoffs: CutOffRequest | readonly CutOffRequest[]) => Promise<PreviewWithAdministrators>;

/** Counts users with a scope of administration: whoever ends their sessions ends their access to the console, too. */
export function createPreviewCutOffs({
  users,
  issuer,
  scopesOf,
}: Omit<GreaterSource, 'issuer'> & { readonly issuer: Pick<Issuer, 'affectedSubjects' | 'preview'> }): PreviewCutOffs {
  return async (cutoffs) => {
    const isAdministrator = (sub: string) => scopesOf(sub).some((scope) => GRANTABLE_SCOPES.has(scope));
    const administrators = await issuer.affectedSubjects(cutoffs, users.listScoped().filter(isAdministrator));
    return { ...(await issuer.preview(cutoffs)), administrators: administrators.length };
  };
}

/** @throws RescindError `authentication_insufficient` for a user who logged in too long ago (RFC 9470) */
export type RequireRecent = (administrator: Administrator) => void;

export function createRecentLogin(tokens: Pick<TokenCheck, 'require'>, maxAuthAgeSeconds: number): RequireRecent {
  return ({ claims }) => {
    if (claims !== undefined) tokens.require(claims, { maxAuthAgeSeconds });
  };
}
