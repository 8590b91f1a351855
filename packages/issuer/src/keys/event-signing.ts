import type { EventDecoder, EventEncoder } from '@rescind/feed';
import { createEventDecoder, createEventEncoder } from '@rescind/feed';
import type { SigningAlgorithm, SigningKey } from '@rescind/token/signing';
import { createSigner } from '@rescind/token/signing';
import type { Keyring } from './keyring.ts';

/** What every receiver of shared signals takes. */
export const EVENT_ALGORITHM: SigningAlgorithm = 'RS256';
const EVENT_TYPE = 'secevent+jwt';

export interface EventSigning {
  /**
   * Of the event key with this kid, or of the one that signs.
   * @throws RescindError `keys_unavailable` when there is no event key at all
   */
  encoder(kid?: string): EventEncoder;
  encoderFor(key: SigningKey): EventEncoder;
  /** Of the key with this kid. @throws RescindError `keys_unavailable` when its file is missing */
  encoderOf(kid: string | undefined): EventEncoder;
  readonly decoder: EventDecoder;
}

/** Signs with the present event key, and reads what any of them signed. */
export function createEventSigning(log: string, keyring: Keyring, issuers: readonly string[] = [log]): EventSigning {
  const encoders = new Map<string, EventEncoder>();
  const decoder = createEventDecoder({ log, issuers, keys: keyring });
  return {
    decoder,
    encoder: (kid) => encoderFor(keyring.active(kid)),
    encoderFor,
    encoderOf: (kid) => encoderFor(keyring.requireSigning(kid)),
  };

  function encoderFor(key: SigningKey): EventEncoder {
    const known = encoders.get(key.kid);
    if (known !== undefined) return known;
    const encoder = createEventEncoder({ log, sign: createSigner(key, { typ: EVENT_TYPE }) });
    encoders.set(key.kid, encoder);
    return encoder;
  }
}
