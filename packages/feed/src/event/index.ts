import '../errors.ts';

export { writeCutOff } from './claims.ts';
export type { EventDecoder, EventDecoderOptions, EventKeys } from './decode.ts';
export { createEventDecoder, isSigned } from './decode.ts';
export type { EventEncoder, EventEncoderOptions, EventToEncode, HeartbeatToEncode } from './encode.ts';
export { createEventEncoder } from './encode.ts';
export { createPageSigner } from './page.ts';
export { peekTxn, readOwnEvent } from './peek.ts';
export type { DecodedRecord, EventRecord, HeartbeatRecord, UnknownVersionRecord } from './record.ts';
export { EVENT_KID, eventTypeName } from './vocabulary.ts';
