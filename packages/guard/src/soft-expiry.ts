import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { issuedAt } from '@rescind/revocation/judge';
import { option, optionsOf } from '@rescind/revocation/options';
import type { Claims } from './trusted-issuer.ts';

/** When a valid token must be renewed: 401 `token_soft_expired`, and the client renews without its user. */
export interface SoftExpiry {
  /** The claim with the time, in seconds like `exp`. A token without it has no such time. Default `soft_exp`. */
  readonly claim?: string | undefined;
  /** The age from which it must be renewed, in ms. Default: none. */
  readonly maxAgeMs?: DurationMs | undefined;
  /**
   * The number of uses at this instance after which it must be renewed. Default: no limit. The guard counts by `jti`, which the token must
   * have, in memory: a restart resets the counts, and so do more than 100 000 tokens for those longest unused.
   */
  readonly maxUses?: number | undefined;
}

/** Counts uses. */
export interface SoftLimits {
  /** Counts this use of a token. @throws RescindError `token_soft_expired`, or `token_claim_wrong` */
  require(claims: Claims, limit: SoftExpiry, at: EpochMillis): void;
}

const DEFAULT_CLAIM = 'soft_exp';
/** Twice as many are counted: those of this generation and those of the previous one. */
const GENERATION = 50_000;

/** The check of the option `softExpiry`. */
export const softExpiryOption = option.either(
  false,
  optionsOf<SoftExpiry>('softExpiry', {
    claim: option.text(),
    maxAgeMs: option.duration(),
    maxUses: option.count({ min: 1 }),
  }),
);

export function createSoftLimits(): SoftLimits {
  let uses = new Map<string, number>();
  let before = new Map<string, number>();

  function use(id: string): number {
    const times = (uses.get(id) ?? before.get(id) ?? 0) + 1;
    if (!uses.has(id) && uses.size >= GENERATION) {
      before = uses;
      uses = new Map();
    }
    uses.set(id, times);
    return times;
  }

  return {
    require(claims, { claim = DEFAULT_CLAIM, maxAgeMs, maxUses }, at) {
      if (isPastClaim(claims, claim, at) || (maxAgeMs !== undefined && at - (issuedAt(claims) ?? 0) >= maxAgeMs)) {
        throw new RescindError('token_soft_expired');
      }
      if (maxUses !== undefined && use(idOf(claims)) > maxUses) throw new RescindError('token_soft_expired');
    },
  };
}

/** The time from which the guard requires the renewal of a token, ms; Infinity: never. Uses are not counted. */
export function softExpiryTime(claims: Claims, { claim = DEFAULT_CLAIM, maxAgeMs }: SoftExpiry): EpochMillis {
  const limit = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  const ofClaim = typeof limit === 'number' ? limit * 1000 : Number.POSITIVE_INFINITY;
  return Math.min(ofClaim, maxAgeMs === undefined ? Number.POSITIVE_INFINITY : (issuedAt(claims) ?? 0) + maxAgeMs);
}

function isPastClaim(claims: Claims, name: string, at: EpochMillis): boolean {
  if (!Object.hasOwn(claims, name)) return false;
  const limit = claims[name];
  if (typeof limit !== 'number') throw new RescindError('token_claim_wrong', { detail: `${name} is not a time` });
  return at >= limit * 1000;
}

function idOf({ iss, jti }: Claims): string {
  if (typeof jti !== 'string' || jti === '') throw new RescindError('token_claim_wrong', { detail: 'jti is missing' });
  return `${iss} ${jti}`;
}
