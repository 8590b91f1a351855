export type {
  ClosingEvents,
  CommittedLog,
  LogIdentity,
  Meta,
  OtherIssuers,
  Outbox,
  OutboxRow,
  Revocations,
  StoredTimes,
} from './log.ts';
export type { Session, SessionClaim, Sessions } from './sessions.ts';
export type { Clients, KeyRow, Keys, Store, StoreProvider, StoreTransaction } from './store.ts';
export { TRANSACTION_OVER, watchTransaction } from './store.ts';
