import type { Issuer, TokenAnswer } from '@rescind/issuer';
import { memoryStore } from '@rescind/issuer/testing';
import type { Clock } from '@rescind/revocation';
import { createManualClock, RescindError } from '@rescind/revocation';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { IssuerSetting } from './issuer-setting.ts';
import { createIssuerSetting, verdictOf } from './issuer-setting.ts';

const START = 1_800_000_000_000;

type Step =
  | {
      readonly kind:
        | 'verify-password'
        | 'login'
        | 'refresh'
        | 'reauthenticate'
        | 'soft'
        | 'everywhere'
        | 'password'
        | 'logout';
    }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'set-wall'; readonly byMs: number };

/** A token and whether a cut-off came after it. */
interface Minted {
  readonly answer: TokenAnswer;
  cut: boolean;
  over: boolean;
}

const kinds = [
  'verify-password',
  'login',
  'refresh',
  'reauthenticate',
  'soft',
  'everywhere',
  'password',
  'logout',
] as const;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...kinds).map((kind) => ({ kind })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 1_500 }).map((ms) => ({ kind: 'advance' as const, ms })) },
  { weight: 1, arbitrary: fc.integer({ min: -400, max: 400 }).map((byMs) => ({ kind: 'set-wall' as const, byMs })) },
);

/** Runs two users concurrently: each verifies a password first, and logs in with the result later. */
async function play(
  issuer: Issuer,
  clock: ReturnType<typeof createManualClock>,
  users: ReturnType<typeof createIssuerSetting>['users'],
  steps: readonly Step[],
) {
  const minted: Minted[] = [];
  let version = 1;
  let verified = 1;
  const honest = () => START + clock.monotonic();
  users.put('ada', { credentialVersion: 1 });

  const mint = async (work: () => TokenAnswer | Promise<TokenAnswer>) => {
    try {
      minted.push({ answer: await work(), cut: false, over: false });
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
    }
  };
  const cut = (over: boolean) => {
    for (const one of minted) {
      one.cut = true;
      one.over ||= over;
    }
  };
  for (const one of steps) {
    const newest = minted.findLast(({ over }) => !over);
    if (one.kind === 'advance') clock.advance(one.ms);
    else if (one.kind === 'set-wall') clock.setWall(honest() + one.byMs);
    else if (one.kind === 'verify-password') verified = version;
    else if (one.kind === 'login') {
      const before = minted.length;
      const credentialVersion = verified;
      await mint(() =>
        issuer.transaction((tx) =>
          tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion }),
        ),
      );
      // A login that was verified against an old password gets no token.
      expect(minted.length).toBe(verified === version ? before + 1 : before);
    } else if (one.kind === 'refresh' && newest) {
      await mint(() => issuer.refresh({ refreshToken: newest.answer.refresh_token, clientId: 'web' }));
    } else if (one.kind === 'reauthenticate' && newest) {
      for (const other of minted) if (other.answer.sid === newest.answer.sid) other.cut = true;
      const { sid } = newest.answer;
      await mint(() =>
        issuer.transaction((tx) => tx.reauthenticate({ sid, sub: 'ada', credentialVersion: version, amr: ['pwd'] })),
      );
    } else if (one.kind === 'soft') {
      await issuer.transaction((tx) =>
        tx.revoke({ claim: 'sub', value: 'ada', reason: 'roles_changed', endsSession: false }),
      );
      cut(false);
    } else if (one.kind === 'everywhere') {
      await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
      cut(true);
    } else if (one.kind === 'password') {
      await issuer.transaction(async (tx) => {
        version += 1;
        users.put('ada', { credentialVersion: version });
        await tx.endAllSessions({ sub: 'ada', reason: 'password_changed' });
      });
      cut(true);
    } else if (one.kind === 'logout' && newest) {
      await issuer.transaction((tx) => tx.endSession({ sid: newest.answer.sid, reason: 'logout' }));
      for (const other of minted) {
        if (other.answer.sid !== newest.answer.sid) continue;
        other.cut = true;
        other.over = true;
      }
    }
    for (const { answer, cut: isCut } of minted)
      expect(await verdictOf(issuer, answer)).toBe(isCut ? 'token_revoked' : 'ok');
  }
}

type Opening = (setting: IssuerSetting, clock: Clock) => Promise<Issuer>;
const accessTokenTtlMs = 86_400_000;
const stores: readonly (readonly [name: string, open: Opening])[] = [
  ['an SQLite file', (setting, clock) => setting.open({ clock, accessTokenTtlMs })],
  ['maps', (setting, clock) => setting.open({ clock, accessTokenTtlMs, store: memoryStore() })],
];

test.each(stores)(
  'denies in %s each token minted before a cut-off, and none minted after it, also in the same millisecond',
  async (_, open) => {
    const setting = createIssuerSetting();
    const clock = createManualClock(START);
    const issuer = await open(setting, clock);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 14 }), async (steps) => {
        // This run begins after the times of the last one, however that set the wall clock.
        clock.advance(60_000);
        clock.setWall(START + clock.monotonic());
        await play(issuer, clock, setting.users, steps);
      }),
      { numRuns: 150 },
    );
  },
  120_000,
);
