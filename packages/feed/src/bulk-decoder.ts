import type { KeyObject } from 'node:crypto';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { openBulkVerifier } from '@rescind/token';
import { MAX_EVENT_BYTES } from './event/claims.ts';
import type { EventDecoder, EventDecoderOptions } from './event/decode.ts';
import { bad, badBecause, createReading, decodeHeartbeats, NO_TIME } from './event/decode.ts';
import { createPageVerifier } from './event/page.ts';
import type { PackedEvent } from './event/read.ts';
import type { DecodedRecord } from './event/record.ts';
import type { SignedPage, TransportRecord } from './ports.ts';

/** Decodes the batches of a catch-up. Other threads verify and read the events of the next batches meanwhile. */
export interface BulkDecoder {
  /** As `EventDecoder.decodeBatch`. Never rejects. */
  decodeBatch(records: readonly TransportRecord[]): Promise<DecodedRecord[]>;
  close(): Promise<void>;
}

/** @throws TypeError for an option that is missing or out of its range */
export function openBulkDecoder(
  { telemetry, ...options }: EventDecoderOptions & { readonly telemetry: Telemetry },
  decoder: EventDecoder,
): BulkDecoder {
  const reading = createReading(options);
  const { log, issuers } = options;
  // Beside this file also in what is built, where files of `event/` become one.
  const reader = { module: new URL('./event-reader.ts', import.meta.url).href, settings: { log, issuers } };
  const verifier = openBulkVerifier({ ...reading.verifier, reader, telemetry });
  const signerOf = createPageSigners(options, telemetry);
  const decodeAlone = ({ jws, hint, live }: TransportRecord): DecodedRecord => ({ ...decoder.decode(jws), hint, live });

  async function decodeAll(records: readonly TransportRecord[]): Promise<DecodedRecord[]> {
    const heartbeats = decodeHeartbeats(records, decodeAlone);
    const isToVerify = (record: TransportRecord, index: number) =>
      heartbeats[index] === undefined && record.jws.length <= MAX_EVENT_BYTES;
    const toVerify = records.filter(isToVerify);
    const texts = toVerify.map(({ jws }) => jws);
    const signedBy = toVerify.map(({ page }) => page && signerOf(page));
    const verified = (await verifier.verifyAll(texts, NO_TIME, signedBy)).values();
    return records.map((record, index) => {
      if (!isToVerify(record, index)) return heartbeats[index] ?? bad(record, 'too_large');
      const token = verified.next().value;
      if (token === undefined || token instanceof RescindError) return badBecause(record, token);
      return 'reading' in token ? reading.unpack(record, token.reading as PackedEvent) : reading.read(record, token);
    });
  }

  return {
    // If the batch fails as a whole, each record is decoded alone: no record may hide another.
    decodeBatch: (records) => decodeAll(records).catch(() => decoder.decodeBatch(records)),
    close: verifier.close,
  };
}

/** Returns the key that has signed a page; undefined for an invalid page, of which each event is verified. */
function createPageSigners(
  options: EventDecoderOptions,
  telemetry: Telemetry,
): (page: SignedPage) => KeyObject | undefined {
  const verifyPage = createPageVerifier(options);
  /** Of the pages under way, whose records come in several batches. */
  const signers = new WeakMap<SignedPage, { readonly key: KeyObject | undefined }>();
  let isRefusing = false;

  function verify(page: SignedPage): KeyObject | undefined {
    try {
      const key = verifyPage(page);
      telemetry.count('rescind_feed_pages_total', { result: 'valid' });
      isRefusing = false;
      return key;
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
      telemetry.count('rescind_feed_pages_total', { result: 'invalid' });
      // A stream of thousands is one log line.
      if (!isRefusing) telemetry.log('warn', 'feed_page_invalid', { code: error.code, events: page.events.length });
      isRefusing = true;
      return undefined;
    }
  }

  return (page) => {
    const known = signers.get(page);
    if (known !== undefined) return known.key;
    const key = verify(page);
    signers.set(page, { key });
    return key;
  };
}
