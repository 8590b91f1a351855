import './errors.ts';

export type { Backoff } from './backoff.ts';
export { createBackoff } from './backoff.ts';
export type { RevocationsHandler, RevocationsHandlerOptions } from './http/handler.ts';
export { createBasicAuthenticator, createRevocationsHandler } from './http/handler.ts';
export type { HttpTransportOptions } from './http/transport.ts';
export { httpTransport } from './http/transport.ts';
export type {
  Acknowledgements,
  Feed,
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
export { ownTurn } from './turns.ts';
