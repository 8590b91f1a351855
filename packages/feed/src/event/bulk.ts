import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { openBulkVerifier } from '@rescind/token';
import type { TransportRecord } from '../ports.ts';
import { MAX_EVENT_BYTES } from './claims.ts';
import type { EventDecoder, EventDecoderOptions } from './decode.ts';
import { bad, badBecause, createReading, decodeHeartbeats, NO_TIME } from './decode.ts';
import type { DecodedRecord } from './record.ts';

/** Decodes the batches of a catch-up. Other threads compute the signatures of the next batch meanwhile. */
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
  const verifier = openBulkVerifier({ ...reading.verifier, telemetry });
  const decodeAlone = ({ jws, hint, live }: TransportRecord): DecodedRecord => ({ ...decoder.decode(jws), hint, live });

  async function decodeAll(records: readonly TransportRecord[]): Promise<DecodedRecord[]> {
    const heartbeats = decodeHeartbeats(records, decodeAlone);
    const isToVerify = (record: TransportRecord, index: number) =>
      heartbeats[index] === undefined && record.jws.length <= MAX_EVENT_BYTES;
    const texts = records.filter(isToVerify).map(({ jws }) => jws);
    const verified = (await verifier.verifyAll(texts, NO_TIME)).values();
    return records.map((record, index) => {
      if (!isToVerify(record, index)) return heartbeats[index] ?? bad(record, 'too_large');
      const token = verified.next().value;
      if (token === undefined || token instanceof RescindError) return badBecause(record, token);
      return reading.read(record, token);
    });
  }

  return {
    // If the batch fails as a whole, each record is decoded alone: no record may hide another.
    decodeBatch: (records) => decodeAll(records).catch(() => decoder.decodeBatch(records)),
    close: verifier.close,
  };
}
