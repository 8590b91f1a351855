import type { StoreProvider } from '@rescind/issuer/store';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { claimsOf, createIssuerSetting, eventsOf, login, refresh, verdictOf } from './issuer-setting.ts';
import {
  DAY,
  filesOf,
  keyOf,
  kidOf,
  MINUTE,
  openKeySetting,
  PUBLISH_BEFORE,
  published,
  rotate,
} from './key-setting.ts';

describe('a rotation by command (security 18)', () => {
  test('publishes the next key before it signs, and the former one until its last token has expired', async () => {
    const keySetting = await openKeySetting();
    const { issuer, setting, clock } = keySetting;
    const before = await login(issuer);
    const first = kidOf(before.access_token);
    const next = await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }));
    expect(next).toMatchObject({ state: 'next', alg: 'RS256', activatedAt: clock.now() + PUBLISH_BEFORE });
    expect(published(issuer)).toEqual([first, next.kid]);
    expect(kidOf((await login(issuer)).access_token)).toBe(first);
    // A second call returns the same key.
    expect(await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }))).toEqual(next);

    await rotate(keySetting);
    const after = await refresh(issuer, before);
    expect(kidOf(after.access_token)).toBe(next.kid);
    expect([await verdictOf(issuer, before), await verdictOf(issuer, after)]).toEqual(['ok', 'ok']);
    expect(published(issuer)).toEqual([next.kid, first]);
    // A retired key signs nothing, so its private half has been removed.
    expect(filesOf(setting, first)).toEqual([`token-${first}.public.pem`]);

    const retiresAt = Number((await keyOf(issuer, 'former'))?.retiresAt);
    expect(retiresAt).toBe(Number(claimsOf(before).exp) * 1000 + MINUTE);
    clock.advance(retiresAt - 1_000 - clock.now());
    await keySetting.schedulerRan();
    expect(published(issuer)).toContain(first);
    clock.advance(2_000);
    await waitFor('the former key is forgotten', () => !published(issuer).includes(first));
    expect(filesOf(setting, first)).toEqual([]);
    expect((await issuer.keys.list()).map(({ state }) => state)).toEqual(['active', 'active']);
  });

  test('accepts tokens of both keys meanwhile, also after a restart', async () => {
    const keySetting = await openKeySetting();
    const before = await login(keySetting.issuer);
    await rotate(keySetting);
    const after = await login(keySetting.issuer);
    await keySetting.issuer.close();
    const { issuer } = await openKeySetting({ clock: keySetting.clock }, keySetting.setting);
    expect(published(issuer)).toEqual([kidOf(after.access_token), kidOf(before.access_token)]);
    expect([await verdictOf(issuer, before), await verdictOf(issuer, after)]).toEqual(['ok', 'ok']);
  });

  test('is rolled back with the transaction of the host', async () => {
    const { issuer, setting } = await openKeySetting();
    const refusing = issuer.transaction(async (tx) => {
      await tx.keys.rotate({ purpose: 'token' });
      throw new Error('the audit is full');
    });
    await expect(refusing).rejects.toThrow('the audit is full');
    expect(published(issuer)).toHaveLength(1);
    await issuer.close();
    await openKeySetting({}, setting);
    expect(filesOf(setting)).toHaveLength(2);
  });

  test('refuses an unknown purpose or algorithm', async () => {
    const { issuer } = await openKeySetting();
    await expect(issuer.transaction((tx) => tx.keys.rotate({ purpose: 'refresh' as 'token' }))).rejects.toThrow(
      /purpose must be/,
    );
    await expect(
      issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token', alg: 'HS256' as 'RS256' })),
    ).rejects.toThrow(/alg must be/);
    await expect(issuer.transaction((tx) => tx.keys.rotate({ purpose: 'event', alg: 'ES256' }))).rejects.toThrow(
      /must be RS256/,
    );
  });
});

describe('a rotation on schedule', () => {
  test('publishes in time, and activates no key earlier when the wall clock is set', async () => {
    const { issuer, clock, schedulerRan } = await openKeySetting({
      keyRotation: { everyMs: 30 * DAY, eventEveryMs: 'never' },
    });
    const [first] = published(issuer);
    const at = new Date(clock.now() + 30 * DAY).toISOString();
    clock.advance(30 * DAY - PUBLISH_BEFORE - 1);
    await schedulerRan();
    const told = issuer.health().find(({ name }) => name === 'keys');
    expect(told).toMatchObject({ status: 'pass', kid: first, rotationAt: at, eventRotationAt: null, nextKid: null });
    expect(published(issuer)).toEqual([first]);
    clock.advance(1);
    const next = await waitFor('a next key is published', () => keyOf(issuer, 'next'));
    expect(published(issuer)).toEqual([first, next.kid]);
    await schedulerRan();
    // Setting the wall clock does not make readers fetch the key.
    clock.setWall(clock.now() + PUBLISH_BEFORE);
    await schedulerRan();
    expect((await keyOf(issuer, 'active'))?.kid).toBe(first);
    clock.advance(PUBLISH_BEFORE);
    await waitFor('the next key signs', async () => (await keyOf(issuer, 'active'))?.kid === next.kid);
  });

  test('rotates to another algorithm, and both verify while tokens of both live', async () => {
    const rsa = await openKeySetting();
    const before = await login(rsa.issuer);
    await rsa.issuer.close();
    const { issuer, clock, schedulerRan } = await openKeySetting(
      { keyRotation: { algorithm: 'ES256' }, clock: rsa.clock },
      rsa.setting,
    );
    expect(await verdictOf(issuer, before)).toBe('ok');
    const next = await waitFor('a next key is published', () => keyOf(issuer, 'next'));
    expect(next.alg).toBe('ES256');
    await schedulerRan();
    clock.advance(PUBLISH_BEFORE);
    await waitFor('the next key signs', async () => (await keyOf(issuer, 'active'))?.kid === next.kid);
    const after = await login(issuer);
    expect(kidOf(after.access_token)).toBe(next.kid);
    expect([await verdictOf(issuer, before), await verdictOf(issuer, after)]).toEqual(['ok', 'ok']);
    expect(issuer.jwks().keys.map(({ alg }) => alg)).toEqual(['ES256', 'RS256']);
    // An algorithm that a command names precedes the configured one.
    expect(await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token', alg: 'RS256' }))).toMatchObject({
      alg: 'RS256',
      state: 'next',
    });
    await schedulerRan();
    expect((await keyOf(issuer, 'next'))?.alg).toBe('RS256');
  });
});

describe('a compromised key', () => {
  test('is replaced in the transaction that denies it, with the next key', async () => {
    const { issuer, setting } = await openKeySetting();
    const before = await login(issuer);
    const first = kidOf(before.access_token);
    const next = await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }));
    const { signingKid, revokedKids, seq } = await issuer.transaction((tx) =>
      tx.keys.revoke({ kid: first, reason: 'key_compromised' }),
    );
    expect(revokedKids).toEqual([first, next.kid]);
    expect(published(issuer)).toEqual([signingKid]);
    expect(revokedKids).not.toContain(signingKid);
    for (const kid of revokedKids) expect(filesOf(setting, kid)).toEqual([]);
    const event = eventsOf(issuer).find((one) => one.seq === seq);
    expect(event?.cutOffs.map(({ claim, value }) => [claim, value])).toEqual(revokedKids.map((kid) => ['kid', kid]));
    expect(await verdictOf(issuer, before)).toBe('token_key_unknown');
    expect(await verdictOf(issuer, await refresh(issuer, before))).toBe('ok');
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
  });

  test('leaves the signing key in place when it is a former or a next key', async () => {
    const keySetting = await openKeySetting();
    const { issuer } = keySetting;
    const [first = ''] = published(issuer);
    const second = await rotate(keySetting);
    const next = await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }));
    for (const kid of [first, next.kid]) {
      const revocation = await issuer.transaction((tx) => tx.keys.revoke({ kid, reason: 'key_compromised' }));
      expect(revocation).toMatchObject({ revokedKids: [kid], signingKid: second.kid });
    }
    expect(published(issuer)).toEqual([second.kid]);
    // A new next key is made at the next rotation.
    expect((await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }))).kid).not.toBe(next.kid);
  });

  test('never signs when it is revoked while its first signature is queued', async () => {
    const setting = createIssuerSetting();
    const inner = sqliteStore({ path: setting.databasePath });
    let holding: PromiseWithResolvers<void> | undefined;
    let isHeld = false;
    const store: StoreProvider = {
      name: inner.name,
      async open(telemetry) {
        const opened = await inner.open(telemetry);
        return {
          ...opened,
          async transaction(work) {
            const held = holding;
            holding = undefined;
            isHeld ||= held !== undefined;
            await held?.promise;
            return opened.transaction(work);
          },
        };
      },
    };
    const { issuer, clock, schedulerRan } = await openKeySetting({ store }, setting);
    const next = await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }));
    clock.advance(PUBLISH_BEFORE - 1_000);
    await schedulerRan();
    await schedulerRan();
    const { promise, resolve } = Promise.withResolvers<void>();
    holding = { promise, resolve, reject: resolve };
    clock.advance(1_000);
    await waitFor('the step that is due', () => isHeld);
    await issuer.transaction((tx) => tx.keys.revoke({ kid: next.kid, reason: 'key_compromised' }));
    resolve();
    await schedulerRan();
    await schedulerRan();
    expect((await issuer.keys.list()).find(({ kid }) => kid === next.kid)?.state).toBe('revoked');
    expect(kidOf((await login(issuer)).access_token)).not.toBe(next.kid);
  });

  test('is key_unknown when it is unknown', async () => {
    const { issuer } = await openKeySetting();
    const revoking = issuer.transaction((tx) => tx.keys.revoke({ kid: 'nobody', reason: 'key_compromised' }));
    await expect(revoking).rejects.toMatchObject({ code: 'key_unknown' });
  });
});
