import './errors.ts';

export { InvalidClientError } from './clients/requirements.ts';
export type {
  Issuer,
  IssuerOptions,
  IssuerTransaction,
  OtherIssuer,
  RestoreOptions,
  RestoreReport,
  SubjectRecord,
  VerifyOptions,
} from './issuer.ts';
export type {
  Client,
  ClientAuthMethod,
  ClientDirectory,
  ClientPolicy,
  ClientProof,
  ClientRegistrations,
  IssuerClients,
  Lifetime,
  RegisteredClient,
  ResourceServer,
  SessionPolicy,
  TokenStorage,
} from './issuer-clients.ts';
export type {
  IssuerKeys,
  KeyCommands,
  KeyPurpose,
  KeyRevocation,
  KeyRotation,
  KeyState,
  KeyView,
  RevokeKey,
  RotateKey,
} from './issuer-keys.ts';
export type {
  CutoffRequest,
  EndAllSessions,
  EndSession,
  ExplainQuestion,
  Explanation,
  IssuerRevocations,
  Preview,
  RevocationPage,
  RevocationQuery,
  RevocationRecord,
  RevocationState,
  Revoked,
  RevokeToken,
  SubjectChange,
} from './issuer-revocations.ts';
export type {
  AccessAnswer,
  BeginSession,
  Introspection,
  IssuerSessions,
  Origin,
  Reauthentication,
  ReauthenticationDemand,
  RefreshRequest,
  RenameSession,
  RenewAnswer,
  RenewRequest,
  SessionPage,
  SessionQuery,
  SessionView,
  StepUp,
  TokenAnswer,
} from './issuer-sessions.ts';
export { openIssuer } from './open.ts';
export type { RelayCore, RelayEffect, RelayInput, RelaySend, RelayState } from './relay/core.ts';
export { composeBatch, createRelayCore } from './relay/core.ts';
export { restoreIssuer } from './restore/restore.ts';
