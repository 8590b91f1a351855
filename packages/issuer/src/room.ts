import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { createVerifier } from '@rescind/token';
import { requireSubjectRecord } from './checked-calls.ts';
import { createClientRegistry } from './clients/registry.ts';
import type { Places } from './identity.ts';
import type { IssuerOptions } from './issuer.ts';
import type { Settings } from './options.ts';
import { createAudiencePolicy } from './session/audience.ts';
import { ACCESS_TOKEN_TYPE } from './session/mint.ts';
import { REQUIRED_CLAIMS } from './verify.ts';
import type { WritingRoom } from './writes.ts';

/** What login, refresh and revocation work with. */
export function createRoom(options: IssuerOptions, settings: Settings, { store, keyrings }: Places): WritingRoom {
  const { issuer } = options;
  const accessTokens = { keys: keyrings.token, issuer, audience: null, typ: [ACCESS_TOKEN_TYPE] };
  return {
    store,
    policy: { issuer, ...settings },
    tokenKeys: keyrings.token,
    keys: { store, keyrings, settings },
    subject: async (from, sub) => requireSubjectRecord(await options.subject(from, sub)),
    clients: createClientRegistry(options.clients),
    audiences: createAudiencePolicy(options.resources),
    accepting: createVerifier({ ...accessTokens, requiredClaims: REQUIRED_CLAIMS }),
    // As long as the most lenient reader takes it.
    revocable: createVerifier({ ...accessTokens, expiryToleranceMs: CLOCK_TOLERANCE_MS }),
  };
}
