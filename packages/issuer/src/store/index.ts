export type { ClientAuthMethod, RegisteredClient, SessionPolicy, TokenStorage } from '../issuer-clients.ts';
export type { KeyPurpose, KeyState } from '../issuer-keys.ts';
export type {
  ClosingEvent as LastWord,
  ClosingEvents as LastWords,
  CommittedLog,
  CutOffsFound as CutoffsFound,
  EventText,
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
  ListPosition as ListPlace,
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
export type {
  ClientReads,
  Clients,
  KeyCause,
  KeyReads,
  KeyRow,
  Keys,
  Store,
  StoreProvider,
  StoreReads,
  StoreTransaction,
  TransactionWatch,
} from './store.ts';
export { TRANSACTION_OVER, watchTransaction } from './store.ts';
