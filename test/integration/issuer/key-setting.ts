import { readdirSync } from 'node:fs';
import type { Issuer } from '@rescind/issuer';
import type { ManualClock } from '@rescind/revocation';
import { createManualClock, silentTelemetry } from '@rescind/revocation';
import { waitFor } from '../../support/wait.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import { createIssuerSetting } from './issuer-setting.ts';

type KeyView = Awaited<ReturnType<Issuer['keys']['list']>>[number];

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;
export const PUBLISH_BEFORE = 10 * MINUTE;

/** An issuer whose clock stands still, and whose key scheduler a test can await. */
export interface KeySetting {
  readonly setting: IssuerSetting;
  readonly clock: ManualClock;
  readonly issuer: Issuer;
  /** Waits until the key scheduler has run with the present state. */
  schedulerRan(): Promise<void>;
}

export async function openKeySetting(
  options: Parameters<IssuerSetting['open']>[0] = {},
  setting = createIssuerSetting(),
): Promise<KeySetting> {
  const clock = options.clock === undefined ? createManualClock(Date.now()) : (options.clock as ManualClock);
  let gauges = 0;
  const gauge = (metric: string) => {
    if (metric === 'rescind_key_age_seconds') gauges += 1;
  };
  const telemetry = { ...silentTelemetry, gauge };
  const issuer = await setting.open({ accessTokenTtlMs: 60 * MINUTE, telemetry, ...options, clock });
  return {
    setting,
    clock,
    issuer,
    async schedulerRan() {
      // The gauge is set once for each purpose.
      const enough = gauges + 2;
      await waitFor('the key scheduler has run', () => gauges >= enough);
    },
  };
}

/** Publishes a key and lets it sign. */
export async function rotate({ issuer, clock }: KeySetting, purpose: 'token' | 'event' = 'token'): Promise<KeyView> {
  const next = await issuer.transaction((tx) => tx.keys.rotate({ purpose }));
  clock.advance(PUBLISH_BEFORE + 1_000);
  await waitFor('the next key signs', async () => (await keyOf(issuer, 'active', purpose))?.kid === next.kid);
  return next;
}

export async function keyOf(issuer: Issuer, state: string, purpose = 'token'): Promise<KeyView | undefined> {
  return (await issuer.keys.list()).find((key) => key.purpose === purpose && key.state === state);
}

export function kidOf(jws: string): string {
  return JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString('utf8')).kid;
}

export const published = (issuer: Issuer): string[] => issuer.jwks().keys.map(({ kid }) => kid);

export const filesOf = (setting: IssuerSetting, kid = '.pem'): string[] =>
  readdirSync(setting.keysPath).filter((name) => name.includes(kid));
