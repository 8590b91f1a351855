import type { Session, SessionOptions, SessionStore } from '@rescind/client';
import { createSession, memoryStore } from '@rescind/client';
import { createFakeIssuer, createTestClock } from '@rescind/client/test';
import { onTestFinished } from 'vitest';

const ISSUER = 'https://login.example';
export const API = 'https://api.example';

/** A clock, an issuer, and as many tabs as a test opens. */
export function scene(options: { life?: number; mode?: 'body' | 'cookie' } = {}) {
  const time = createTestClock();
  const issuer = createFakeIssuer({
    clock: time.clock,
    api: API,
    ...(options.life === undefined ? {} : { lifeSeconds: options.life }),
    ...(options.mode === undefined ? {} : { mode: options.mode }),
  });
  const store = memoryStore(`tabs ${Math.random()}`);
  function open(more: Partial<SessionOptions> & { storage?: 'memory' | SessionStore } = {}): Session {
    const session = createSession({
      issuer: ISSUER,
      apis: [API],
      mode: options.mode ?? 'body',
      storage: store,
      fetch: issuer.fetch,
      clock: time.clock,
      random: () => 0.5,
      ...more,
    });
    onTestFinished(() => session.stop());
    return session;
  }
  return { ...time, time, issuer, store, open };
}

export const LOGIN = { username: 'ada', password: 'right' };
