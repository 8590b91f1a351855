import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';

type Claims = ReturnType<typeof decodeJwt>;

/** Cut-offs, each with whether it ends the session. */
const CUTOFFS: Readonly<Record<string, { of(claims: Claims): object; ends: boolean }>> = {
  token: { of: ({ jti, exp }) => ({ claim: 'jti', value: jti, expiresAt: Number(exp) * 1_000 }), ends: false },
  softly: { of: ({ sub }) => ({ claim: 'sub', value: sub, endsSession: false }), ends: false },
  session: { of: ({ sid }) => ({ claim: 'sid', value: sid }), ends: true },
  user: { of: ({ sub }) => ({ claim: 'sub', value: sub }), ends: true },
  client: { of: () => ({ claim: 'client_id', value: 'web' }), ends: true },
  everybody: { of: () => ({ claim: 'iss' }), ends: true },
};

test('security 22: applies the stricter of two cut-offs, in either order', async () => {
  const { ada, login, refresh, accepts, form } = await openAdministered();
  await ada.put('/admin/clients/api', {
    name: 'API',
    authMethod: 'client_secret_basic',
    mayIntrospect: true,
    why: 'asks about tokens',
  });
  const { body: made } = await ada.post('/admin/clients/api/secrets', { why: 'first' });
  const Authorization = `Basic ${Buffer.from(`api:${String(made.secret)}`).toString('base64')}`;
  const introspect = async (token: string) => (await form('/oauth2/introspect', { token }, { Authorization })).body;
  const revoke = async (cutoff: object) => {
    const { status, text } = await ada.post('/admin/revocations', {
      cutoffs: [cutoff],
      confirm: 'everybody',
      why: 'x',
    });
    expect(status, text).toBe(201);
  };

  const names = Object.keys(CUTOFFS);
  for (const first of names) {
    for (const second of names) {
      const tokens = await login();
      expect(await introspect(tokens.access)).toMatchObject({ active: true });
      for (const name of [first, second]) await revoke(CUTOFFS[name]?.of(decodeJwt(tokens.access)) ?? {});
      const what = `${first}, then ${second}`;
      expect(await accepts(tokens.access), what).toBe(401);
      expect(await introspect(tokens.access), what).toEqual({ active: false });
      const ends = CUTOFFS[first]?.ends || CUTOFFS[second]?.ends;
      expect((await refresh(tokens.refresh)).status, what).toBe(ends ? 400 : 200);
    }
  }
});
