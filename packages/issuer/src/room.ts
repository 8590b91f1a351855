import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { createVerifier } from '@rescind/token';
import { createClientRegistry } from './clients/registry.ts';
import type { Places } from './identity.ts';
import type { IssuerOptions, SubjectRecord } from './issuer.ts';
import type { Settings } from './options.ts';
import { createAudiencePolicy } from './session/audience.ts';
import { ACCESS_TOKEN_TYPE } from './session/mint.ts';
import { REQUIRED_CLAIMS } from './verify.ts';
import type { WritingRoom } from './writes.ts';

/** What login, refresh and revocation work with. */
export function createRoom(
  options: IssuerOptions,
  settings: Settings,
  { store, keyrings }: Places,
  runKeySchedule: () => Promise<void>,
): WritingRoom {
  const { issuer } = options;
  const accessTokens = { keys: keyrings.token, issuer, audience: null, typ: [ACCESS_TOKEN_TYPE] };
  return {
    store,
    policy: { issuer, ...settings },
    tokenKeys: keyrings.token,
    keys: { store, keyrings, settings },
    runKeySchedule,
    subject: async (from, sub) => requireSubjectRecord(await options.subject(from, sub)),
    clients: createClientRegistry(options.clients),
    audiences: createAudiencePolicy(options.resources),
    accepting: createVerifier({ ...accessTokens, requiredClaims: REQUIRED_CLAIMS }),
    // As long as the most lenient reader takes it.
    revocable: createVerifier({ ...accessTokens, expiryToleranceMs: CLOCK_TOLERANCE_MS }),
  };
}

/**
 * What the option `subject` returned. A mistake in it is the host's, not a wrong password of whoever logs in.
 * @throws TypeError for a record with wrong types
 */
function requireSubjectRecord(record: SubjectRecord | undefined): SubjectRecord | undefined {
  if (record === undefined) return undefined;
  if (typeof record !== 'object' || record === null) throw new TypeError('subject must return a record or undefined');
  const { claims, credentialVersion, active, reason } = record;
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new TypeError('subject must return a record whose claims are an object');
  }
  if (!Number.isSafeInteger(credentialVersion)) {
    throw new TypeError('subject must return a record whose credentialVersion is a whole number');
  }
  if (typeof active !== 'boolean') throw new TypeError('subject must return a record whose active is true or false');
  if (reason !== undefined && typeof reason !== 'string') {
    throw new TypeError('subject must return a record whose reason is text, or absent');
  }
  return record;
}
