import type { CutOffRequest, TokenAnswer } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { claimsOf, codeOf, createIssuerSetting, ISSUER, login, refresh, verdictOf } from './issuer-setting.ts';

interface Scope {
  readonly name: string;
  readonly endsSession: boolean;
  of(answer: TokenAnswer): Pick<CutOffRequest, 'claim' | 'value' | 'endsSession'>;
}

const scopes: readonly Scope[] = [
  { name: 'everybody', endsSession: true, of: () => ({ claim: 'iss', value: ISSUER }) },
  { name: 'client', endsSession: true, of: () => ({ claim: 'client_id', value: 'app' }) },
  { name: 'user', endsSession: true, of: () => ({ claim: 'sub', value: 'ada' }) },
  { name: 'user, softly', endsSession: false, of: () => ({ claim: 'sub', value: 'ada', endsSession: false }) },
  { name: 'session', endsSession: true, of: ({ sid }) => ({ claim: 'sid', value: sid }) },
  { name: 'tenant', endsSession: false, of: () => ({ claim: 'tenant', value: 'north' }) },
  {
    name: 'token',
    endsSession: false,
    of: (answer) => ({
      claim: 'jti',
      value: String(claimsOf(answer).jti),
      expiresAt: Number(claimsOf(answer).exp) * 1000,
    }),
  },
];

async function scene() {
  const clock = createManualClock(1_800_000_000_000);
  const setting = createIssuerSetting();
  setting.users.put('ada', { claims: { scope: 'read', tenant: 'north' } });
  const issuer = await setting.open({ clock });
  await issuer.transaction((tx) =>
    tx.clients.put({ clientId: 'app', name: 'App', authMethod: 'none', policy: { renewByToken: true } }),
  );
  await issuer.transaction((tx) =>
    tx.clients.put({ clientId: 'rs', name: 'RS', authMethod: 'client_secret_basic', mayIntrospect: true }),
  );
  return { clock, issuer };
}

test.each(scopes)(
  'security 22: $name alone, and with every other, in both orders: the strictest holds everywhere',
  async (first) => {
    const { clock, issuer } = await scene();
    for (const second of scopes) {
      const answer = await login(issuer, 'ada', { clientId: 'app' });
      const cutOffs = second === first ? [first] : [first, second];
      for (const cutoff of cutOffs)
        await issuer.transaction((tx) => tx.revoke({ ...cutoff.of(answer), reason: 'because' }));
      const isOver = cutOffs.some(({ endsSession }) => endsSession);
      const byName = cutOffs.some(({ name }) => name === 'token');
      expect(await verdictOf(issuer, answer)).toBe('token_revoked');
      expect(await issuer.introspect(answer.access_token, { clientId: 'rs' })).toEqual({ active: false });
      const renew = () => issuer.renew({ accessToken: answer.access_token, clientId: 'app' });
      expect(await codeOf(renew)).toBe(isOver || byName ? 'grant_invalid' : undefined);
      expect(await codeOf(() => refresh(issuer, answer, 'app'))).toBe(isOver ? 'grant_invalid' : undefined);
      expect(await verdictOf(issuer, await login(issuer, 'ada', { clientId: 'app' }))).toBe('ok');
      clock.advance(10);
    }
  },
);
