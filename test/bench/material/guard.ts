import type { Feed, TransportConnection } from '@rescind/feed';
import { createEventEncoder } from '@rescind/feed/event';
import type { Guard } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { ISSUER, stateAt, untilInMemory } from './rows.ts';
import { AUDIENCE, signingKey } from './tokens.ts';

const HEARTBEAT_MS = 1_000;
const eventKey = generateSigningKey();

/** A log without events, with one signed heartbeat a second, in this process. */
function heartbeatsOnly(): Feed {
  const encoder = createEventEncoder({ log: ISSUER, sign: createSigner(eventKey, { typ: 'secevent+jwt' }) });
  const { epoch } = stateAt(0);
  const jws = () => encoder.heartbeat({ epoch, head: 0, headId: null, lowWatermark: 1, at: Date.now() });
  return {
    primary: {
      name: 'kafka',
      open(sink): TransportConnection {
        const beat = () => void sink.records([{ jws: jws(), hint: null, live: true }]);
        setImmediate(() => {
          sink.opened();
          beat();
        });
        const timer = setInterval(beat, HEARTBEAT_MS).unref();
        return { restart: beat, close: async () => clearInterval(timer) };
      },
    },
  };
}

const guardOptions = (denylistPath: string, tokenKey: SigningKey) => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  denylistPath,
  jwksUrl: `${ISSUER}/.well-known/jwks.json`,
  feed: heartbeatsOnly(),
  /** Responds to the requests of the guard. */
  fetch: async (url: string | URL) => Response.json(publicJwks([String(url).includes('event') ? eventKey : tokenKey])),
});

/** Opens a guard over a denylist that was filled, and resolves when it decides from memory. */
export async function openLiveGuard(denylistPath: string, tokenKey = signingKey): Promise<Guard> {
  const guard = createGuard(guardOptions(denylistPath, tokenKey));
  await guard.ready();
  await untilInMemory(() => guard.health().find(({ name }) => name === 'denylist')?.lookups);
  return guard;
}
