import type { Accounts } from '@rescind/accounts';
import type { CutOffRequest, Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { TokenCheck } from '../../http/token-check.ts';
import { requires } from '../../scopes.ts';
import type { Administrator } from '../authentication.ts';
import { isGreater, requireScopes, requireWithin } from '../standing.ts';
import type { CutoffBody } from './bodies.ts';

export interface CutoffSource {
  /** The `iss` of our own tokens. */
  readonly issuer: string;
  readonly explain: Issuer['explain'];
  readonly keys: Pick<Issuer['keys'], 'list'>;
}

/** The cut-offs that a body asks for. @throws RescindError `request_invalid` naming the one that cannot be */
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

/** Whose the access tokens of a body are. */
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

/** As the audit names what is cut off: of a token's id only enough to find it again. */
export function targetsOf(bodies: readonly CutoffBody[]): string[] {
  return bodies.map((body) => {
    if ('token' in body) return 'token';
    if (!('value' in body)) return 'issuer' in body ? `iss:${body.issuer}` : 'everybody';
    return body.claim === 'jti' ? `jti:${body.value.slice(0, 8)}…` : `${body.claim}:${body.value}`;
  });
}

/** Claims whose cut-off concerns one person's tokens. Every other may concern everybody's. */
const OF_ONE: ReadonlySet<string> = new Set(['jti', 'sid', 'sub']);

/** An act by the administrator who sent the request, with its `confirm`. */
export interface Confirmed {
  readonly administrator: Administrator;
  readonly confirm: string | undefined;
}

/**
 * What may concern the tokens of more than one person has to be confirmed, and requires a recent login.
 * @throws RescindError `confirmation_missing`, `authentication_insufficient`
 */
export function requireConfirmed({ administrator, confirm }: Confirmed, recent: RequireRecent): void {
  if (confirm === undefined) throw new RescindError('confirmation_missing');
  recent(administrator);
}

interface MeantSource {
  /** Whose session it is; undefined: nobody's here. */
  subOf(sid: string): Promise<string | undefined>;
  /** Whose the access tokens are that a body has. */
  readonly holders: readonly string[];
  /** Those of the cut-offs that are not by a token: whose they are is to be found out. */
  readonly others: readonly CutOffRequest[];
  /** Refuses what concerns the tokens of a user who has an admin scope that the administrator has not. */
  readonly requireNoneGreater: RequireNoneGreater;
  readonly recent: RequireRecent;
}

/**
 * Requires of the administrator what these cut-offs require: the scope of keys for `kid`, all admin scopes of every person
 * whose tokens they deny, and confirmation where they may concern more than one.
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

/** Two cut-offs of one person have the same. */
async function personOf({ claim, value, issuer }: CutOffRequest, { subOf }: MeantSource): Promise<string> {
  const ofSession = issuer === undefined && claim === 'sid' ? await subOf(value) : undefined;
  const sub = issuer === undefined && claim === 'sub' ? value : ofSession;
  return JSON.stringify(sub === undefined ? [issuer, claim, value] : [sub]);
}

/**
 * @param holders whose tokens are concerned besides
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

/** @throws RescindError `authentication_insufficient` for a user who logged in too long ago (RFC 9470) */
export type RequireRecent = (administrator: Administrator) => void;

export function createRecentLogin(tokens: Pick<TokenCheck, 'require'>, maxAuthAgeSeconds: number): RequireRecent {
  return ({ claims }) => {
    if (claims !== undefined) tokens.require(claims, { maxAuthAgeSeconds });
  };
}
