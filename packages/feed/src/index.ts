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
  NotUnderstoodRecord,
  SkippedRecord,
} from './event/record.ts';
export { EVENT_KID, eventTypeName } from './event/vocabulary.ts';
export type {
  FetchedSet,
  FollowerCore,
  FollowerCoreOptions,
  FollowerEffect,
  FollowerInput,
  FollowerState,
  FollowerStep,
  Instant,
  QuarantinedAgain,
  View,
  WayId,
} from './follower/core.ts';
export { createFollowerCore } from './follower/core.ts';
export type { FollowerKeys } from './follower/link.ts';
export type { Follower } from './follower/open.ts';
export { openFollower } from './follower/open.ts';
export type { FollowerOptions } from './follower/options.ts';
export { createBasicAuthenticator } from './http/basic.ts';
export type { RevocationsHandler, RevocationsHandlerOptions } from './http/handler.ts';
export { createRevocationsHandler } from './http/handler.ts';
export type { HttpWayOptions } from './http/way.ts';
export { httpWay } from './http/way.ts';
export type {
  Acknowledgements,
  DocumentStore,
  Feed,
  FeedStore,
  LogSource,
  Publisher,
  SignedHeartbeat,
  TransportAbilities,
  Way,
  WayConnection,
  WayRecord,
  WaySink,
  WayStart,
} from './ports.ts';
export type { FeedDescription, TransportDescription } from './transport.ts';
export { feedOptions } from './transport.ts';
