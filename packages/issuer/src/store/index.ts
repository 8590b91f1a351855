export type { ClientAuthMethod, RegisteredClient, SessionPolicy, TokenStorage } from '../issuer-clients.ts';
export type { KeyPurpose, KeyState } from '../issuer-keys.ts';
export type { KeyCause, KeyRow, Keys } from './keys.ts';
export type {
  LastWord,
  LastWords,
  LogIdentity,
  Meta,
  NewOutboxRow,
  OtherIssuers,
  Outbox,
  OutboxRow,
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
  SessionEnds,
  SessionList,
  Sessions,
  SessionsAsked,
} from './sessions.ts';
export type { Clients, Store, StoreProvider, Tables } from './store.ts';
