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
export { restoreIssuer } from './restore/restore.ts';
