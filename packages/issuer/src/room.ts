import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { createVerifier } from '@rescind/token';
import type { OpenFiles } from './files.ts';
import type { IssuerOptions } from './issuer.ts';
import type { Settings } from './options.ts';
import type { RevocationRoom } from './revoke/revoke.ts';
import { ACCESS_TOKEN_TYPE } from './session/mint.ts';

/** What login, refresh and revocation work with. */
export function createRoom(options: IssuerOptions, settings: Settings, { store, keyrings }: OpenFiles): RevocationRoom {
  const { issuer } = options;
  return {
    store,
    policy: { issuer, ...settings },
    tokenKeys: keyrings.token,
    keys: { store, keyrings, settings },
    subject: (sub) => options.subject(sub),
    revocable: createVerifier({
      keys: keyrings.token,
      issuer,
      audience: null,
      typ: [ACCESS_TOKEN_TYPE],
      // As long as the most lenient reader takes it.
      expiryToleranceMs: CLOCK_TOLERANCE_MS,
    }),
  };
}
