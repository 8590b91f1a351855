export { createBasicAuthenticator } from './http/basic.ts';
export type { RevocationsHandler, RevocationsHandlerOptions } from './http/handler.ts';
export { createRevocationsHandler } from './http/handler.ts';
export type { HttpWayOptions } from './http/way.ts';
export { httpWay } from './http/way.ts';
export type {
  DocumentStore,
  Feed,
  FeedStore,
  LogSource,
  Publisher,
  Way,
  WayConnection,
  WayRecord,
  WaySink,
  WayStart,
} from './ports.ts';
