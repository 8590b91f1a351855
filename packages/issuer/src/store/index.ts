export type { ClientAuthMethod, RegisteredClient, SessionPolicy, TokenStorage } from '../issuer-clients.ts';
export type { KeyPurpose, KeyState } from '../issuer-keys.ts';
export type { KeyCause, KeyReads, KeyRow, Keys } from './keys.ts';
export type {
  CommittedLog,
  CutoffsFound,
  EventText,
  LastWord,
  LastWords,
  LogIdentity,
  Meta,
  MetaReads,
  OtherIssuerReads,
  OtherIssuers,
  Outbox,
  OutboxReads,
  OutboxRow,
  RevocationReads,
  Revocations,
  StoredTimes,
} from './log.ts';
export type {
  ListPlace,
  Minted,
  NewSession,
  Proof,
  Renewal,
  Rotation,
  Session,
  SessionClaim,
  SessionReads,
  Sessions,
  SessionsAsked,
} from './sessions.ts';
export type { ClientReads, Clients, Store, StoreProvider, StoreReads, StoreTransaction } from './store.ts';
export type { TransactionWatch } from './watch-transaction.ts';
export { TRANSACTION_OVER, watchTransaction } from './watch-transaction.ts';
