import type { Acknowledgements, LogSource } from '@rescind/feed';
import type { EventDecoder, EventEncoder } from '@rescind/feed/event';
import { createEventDecoder, createEventEncoder, createPageSigner } from '@rescind/feed/event';
import type { EpochMillis } from '@rescind/revocation';
import type { IssuerClock } from '@rescind/revocation/issuer-clock';
import { isLeading } from '@rescind/revocation/issuer-clock';
import type { SigningAlgorithm, SigningKey } from '@rescind/token/signing';
import { createDirectSigner } from '@rescind/token/signing';
import type { Keyring } from '../keys/keyring.ts';
import type { Store } from '../store/store.ts';
import type { Transactions } from '../transactions.ts';

type PageSigner = NonNullable<LogSource['signPage']>;

interface LogSourceOptions {
  readonly log: string;
  readonly store: Pick<Store, 'log'>;
  /** The encoder of the event key with this kid. */
  readonly encoder: (kid: string | undefined) => EventEncoder;
  /** The page signer of the event key with this kid. */
  readonly pageSigner: (kid: string | undefined) => PageSigner;
  readonly issuerClock: Pick<IssuerClock, 'heartbeat' | 'leadMs'>;
  readonly persistTime: Transactions['persistTime'];
  readonly onAppend: LogSource['onAppend'];
  readonly receiveEvidence: LogSource['receiveEvidence'];
  readonly receiveReport: NonNullable<LogSource['receiveReport']>;
  readonly acknowledgements: () => Acknowledgements | undefined;
}

/** The log of record, as streams and the relay read it. */
export function createLogSource(options: LogSourceOptions): LogSource {
  const { log, store, encoder, pageSigner, issuerClock, persistTime, onAppend, receiveEvidence, receiveReport } =
    options;

  function snapshot(): ReturnType<LogSource['snapshot']> {
    const identity = store.log.identity();
    if (identity === undefined) throw new Error('the log has no epoch');
    const { epoch, head, last, floor } = identity;
    return { epoch, head, headId: last, lowWatermark: floor };
  }

  function sign(at: EpochMillis, wall: EpochMillis) {
    const { epoch, head, headId, lowWatermark } = snapshot();
    const timeSince = store.log.timeSince();
    // Signed by the key of this epoch: another epoch may have been opened while the time was made durable.
    const encode = encoder(store.log.eventKid());
    return { jws: encode.heartbeat({ epoch, head, headId, lowWatermark, at, wall, timeSince }), epoch, head };
  }

  async function signDurably(at: EpochMillis, wall: EpochMillis) {
    await persistTime(at);
    return sign(at, wall);
  }

  return {
    log,
    snapshot,
    read: (after, limit) => store.log.read(after, limit),
    signPage: (events) => pageSigner(store.log.eventKid())(events),
    heartbeat() {
      // The time is read before the head, so that whatever was acknowledged before this time is at or below the head.
      const { at, wall } = issuerClock.heartbeat();
      // No heartbeat after a restart may have an earlier time than one before. While the issuer's clock leads, that requires a
      // durable time.
      return isLeading(issuerClock) ? signDurably(at, wall) : sign(at, wall);
    },
    closingEvent: (epoch) => store.log.closingEvent(epoch),
    onAppend,
    receiveEvidence,
    receiveReport,
    get acknowledgements() {
      return options.acknowledgements();
    },
  };
}

/** The algorithm that every receiver of shared signals accepts. */
export const EVENT_ALGORITHM: SigningAlgorithm = 'RS256';
const EVENT_TYPE = 'secevent+jwt';

interface EventSigning {
  /**
   * The encoder of the event key with this kid, or of the one that signs.
   * @throws RescindError `keys_unavailable` when there is no event key at all
   */
  encoder(kid?: string): EventEncoder;
  encoderFor(key: SigningKey): EventEncoder;
  /** As `encoder`. */
  pageSigner(kid?: string): PageSigner;
  /** The encoder of the key with this kid. @throws RescindError `keys_unavailable` when its file is missing */
  encoderOf(kid: string | undefined): EventEncoder;
  readonly decoder: EventDecoder;
}

/** Signs with the present event key, and decodes what any event key has signed. */
export function createEventSigning(log: string, keyring: Keyring, issuers: readonly string[] = [log]): EventSigning {
  const encoders = new Map<string, EventEncoder>();
  let pages: { readonly kid: string; readonly sign: PageSigner } | undefined;
  const decoder = createEventDecoder({ log, issuers, keys: keyring });
  return {
    decoder,
    encoder: (kid) => encoderFor(keyring.active(kid)),
    encoderFor,
    pageSigner: (kid) => pageSignerFor(keyring.active(kid)),
    encoderOf: (kid) => encoderFor(keyring.requireSigning(kid)),
  };

  function encoderFor(key: SigningKey): EventEncoder {
    const known = encoders.get(key.kid);
    if (known !== undefined) return known;
    const encoder = createEventEncoder({ log, sign: createDirectSigner(key, { typ: EVENT_TYPE }) });
    encoders.set(key.kid, encoder);
    return encoder;
  }

  /** One is kept: pages of the keys before are not signed. */
  function pageSignerFor(key: SigningKey): PageSigner {
    if (pages?.kid === key.kid) return pages.sign;
    const sign = (payload: object, typ: string) => createDirectSigner(key, { typ })(payload);
    pages = { kid: key.kid, sign: createPageSigner({ log, kid: key.kid, sign }) };
    return pages.sign;
  }
}
