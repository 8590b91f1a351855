import type { CutOffEntry } from '../../support/cut-offs.ts';
import type { IssuerWorld } from './issuer.ts';
import { fresh } from './issuer.ts';
import type { Token } from './truth.ts';
import { names, OTHER, Violation } from './truth.ts';

/** The longest life of its tokens. */
const LONGEST_MS = 35_000;

/** Mints a token of the other issuer, whose clock is right and which does not know the log. */
export function mintElsewhere(world: IssuerWorld): void {
  const { random } = world;
  const iatMs = Math.floor(world.now());
  const iat = Math.floor(iatMs / 1000);
  const exp = iat + 5 + random.below(LONGEST_MS / 1_000 - 5);
  const payload = { iss: OTHER, sub: `u${random.below(3)}`, jti: fresh('j'), iat, iat_ms: iatMs, exp };
  const no = world.minted.count;
  world.minted.count += 1;
  const token: Token = { no, kid: 'other', payload, iatMs, expMs: exp * 1000, named: false, forgotten: false };
  token.named = world.committed.some(({ deny }) => deny.some((denial) => names(denial, token)));
  world.tokens.push(token);
}

/** Denials for the log, of a token or a user of the other issuer. */
export function denialElsewhere({ random, tokens, now }: IssuerWorld, issuedUntil: number): CutOffEntry[] {
  const token = random.pick(tokens.filter(({ payload }) => payload.iss === OTHER).slice(-6));
  if (token === undefined) return [];
  const expiresAt = Math.floor(now()) + LONGEST_MS;
  if (random.chance(0.5)) {
    const value = String(token.payload.jti);
    return [{ iss: OTHER, claim: 'jti', value, expiresAt: token.expMs, endsSession: false }];
  }
  return [{ iss: OTHER, claim: 'sub', value: String(token.payload.sub), issuedUntil, expiresAt, endsSession: true }];
}

/** A use of a refresh token that was exchanged this long ago is not a retry. */
const OLD_MS = 60_000;
const GRACE_MS = 10_000;

/** Presents a refresh token that was used long ago, with a stored time that may be later than the clock's. */
export function presentSpent(
  { rotatedAt, rotatedReal }: { readonly rotatedAt: number | null; readonly rotatedReal: number },
  at: number,
  { mutants, now }: IssuerWorld,
): void {
  if (rotatedAt === null || now() - rotatedReal < OLD_MS) return;
  const passed = at - rotatedAt;
  const isRetry = passed <= GRACE_MS && (passed >= 0 || mutants.negativeGrace === true);
  // Only negative times are violations: a clock that stood at its floor between two processes has not counted all of the time.
  if (isRetry && passed < 0) throw new Violation('a refresh token that was used long ago counts as a retry');
}
