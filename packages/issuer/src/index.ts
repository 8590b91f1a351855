export type {
  BeginSession,
  CutoffRequest,
  EndAllSessions,
  EndSession,
  Issuer,
  IssuerOptions,
  IssuerTransaction,
  OtherIssuer,
  RefreshRequest,
  RestoreOptions,
  RestoreReport,
  RevocationRecord,
  RevokeToken,
  SubjectRecord,
  TokenAnswer,
  VerifyOptions,
} from './issuer.ts';
export { openIssuer } from './open.ts';
export type { RelayCore, RelayEffect, RelayInput, RelaySend, RelayState } from './relay/core.ts';
export { composeBatch, createRelayCore } from './relay/core.ts';
export { restoreIssuer } from './restore/restore.ts';
