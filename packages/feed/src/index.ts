import './errors.ts';

export { writeCutOff } from './event/claims.ts';
export type { EventDecoder, EventDecoderOptions, EventKeys } from './event/decode.ts';
export { createEventDecoder, isSigned } from './event/decode.ts';
export type { EventEncoder, EventEncoderOptions, EventToEncode, HeartbeatToEncode } from './event/encode.ts';
export { createEventEncoder } from './event/encode.ts';
export { readOwnEvent } from './event/peek.ts';
export type {
  BadReason,
  BadRecord,
  DecodedRecord,
  EventRecord,
  HeartbeatRecord,
  SkippedRecord,
  UnknownVersionRecord,
} from './event/record.ts';
export { EVENT_KID, eventTypeName } from './event/vocabulary.ts';
export type { FollowerKeys } from './follower/connections.ts';
export type {
  FetchedSet,
  FollowerCore,
  FollowerCoreOptions,
  FollowerEffect,
  FollowerInput,
  FollowerState,
  FollowerStep,
  InputTime,
  QuarantinedAgain,
  TransportRole,
  View,
} from './follower/core.ts';
export { createFollowerCore } from './follower/core.ts';
export type { Follower, FollowerOptions } from './follower/open.ts';
export { openFollower } from './follower/open.ts';
export { createBasicAuthenticator } from './http/basic.ts';
export type { RevocationsHandler, RevocationsHandlerOptions } from './http/handler.ts';
export { createRevocationsHandler } from './http/handler.ts';
export type { HttpTransportOptions } from './http/transport.ts';
export { httpTransport } from './http/transport.ts';
export type {
  Acknowledgements,
  DocumentStore,
  Feed,
  FeedStore,
  LogSource,
  Publisher,
  SignedHeartbeat,
  StartPosition,
  Transport,
  TransportAbilities,
  TransportConnection,
  TransportRecord,
  TransportSink,
} from './ports.ts';
export type { FeedDescription, TransportDescription } from './transport.ts';
export { feedOptions } from './transport.ts';
