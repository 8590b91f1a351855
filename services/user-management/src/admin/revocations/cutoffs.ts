import type { CutoffRequest, Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/service';
import type { TokenCheck } from '../../http/token-check.ts';
import type { Administrator } from '../authentication.ts';
import type { CutoffBody } from './bodies.ts';

export interface CutoffSource {
  /** The `iss` of our own tokens. */
  readonly issuer: string;
  readonly explain: Issuer['explain'];
  readonly keys: Pick<Issuer['keys'], 'list'>;
}

/** The cut-offs that a body asks for. @throws RescindError `request_invalid` naming the one that cannot be */
export function cutoffRequests(bodies: readonly CutoffBody[], reason: string, source: CutoffSource): CutoffRequest[] {
  return bodies.map((body, index) => ({
    ...cutoffOf(body, source, (message, member) => {
      throw new RequestRefused([{ path: `cutoffs.${index}.${member}`, message }]);
    }),
    reason,
  }));
}

type Refuse = (message: string, member: string) => never;

function cutoffOf(body: CutoffBody, source: CutoffSource, refuse: Refuse): Omit<CutoffRequest, 'reason'> {
  if ('token' in body) return byToken(body.token, source, refuse);
  const { claim } = body;
  const issuer = ('issuer' in body ? body.issuer : undefined) ?? source.issuer;
  const value = 'value' in body ? body.value : issuer;
  const expiresAt = 'expiresAt' in body ? body.expiresAt : undefined;
  const endsSession = 'endsSession' in body ? body.endsSession : undefined;
  if (claim === 'kid' && source.keys.list().some(({ kid, purpose }) => kid === value && purpose === 'event')) {
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

function byToken(token: string, { explain }: CutoffSource, refuse: Refuse): Omit<CutoffRequest, 'reason'> {
  const { jti, exp } = explain({ token }).claims ?? {};
  if (typeof jti !== 'string' || typeof exp !== 'number') {
    return refuse('must be an access token of this issuer that has not expired', 'token');
  }
  return { claim: 'jti', value: jti, expiresAt: exp * 1_000 };
}

/** As the audit names what is cut off: of a token's id only enough to find it again. */
export function targetsOf(bodies: readonly CutoffBody[]): string[] {
  return bodies.map((body) => {
    if ('token' in body) return 'token';
    if (!('value' in body)) return 'issuer' in body ? `iss:${body.issuer}` : 'everybody';
    return body.claim === 'jti' ? `jti:${body.value.slice(0, 8)}…` : `${body.claim}:${body.value}`;
  });
}

/** Claims whose cut-off may meet everybody: a single client often is all there is. */
const MEETS_EVERYBODY: ReadonlySet<string> = new Set(['iss', 'client_id']);

/**
 * What is about everybody has to be confirmed, and is done by nobody whose login was long ago.
 * @throws RescindError `confirmation_missing`, `authentication_insufficient`
 */
export function requireMeant(
  cutoffs: readonly Pick<CutoffRequest, 'claim'>[],
  by: { readonly administrator: Administrator; readonly confirm: string | undefined },
  recent: RequireRecent,
): void {
  if (cutoffs.some(({ claim }) => claim === 'iss') && by.confirm === undefined) {
    throw new RescindError('confirmation_missing');
  }
  if (cutoffs.some(({ claim }) => MEETS_EVERYBODY.has(claim))) recent(by.administrator);
}

/** @throws RescindError `authentication_insufficient` for a user who logged in too long ago (RFC 9470) */
export type RequireRecent = (administrator: Administrator) => void;

export function createRecentLogin(tokens: Pick<TokenCheck, 'require'>, maxAuthAgeSeconds: number): RequireRecent {
  return ({ claims }) => {
    if (claims !== undefined) tokens.require(claims, { maxAuthAgeSeconds });
  };
}
