import './errors.ts';

export { InvalidClientError } from './clients/requirements.ts';
export type {
  Issuer,
  IssuerOptions,
  IssuerTransaction,
  RestoreOptions,
  RestoreReport,
  SubjectRecord,
} from './issuer.ts';
export type { Client, ClientProof, RegisteredClient, ResourceServer } from './issuer-clients.ts';
export type { CutOffRequest, RevocationRecord } from './issuer-revocations.ts';
export type { AccessAnswer, BeginSession, SessionView, StepUp, TokenAnswer } from './issuer-sessions.ts';
export { openIssuer } from './open.ts';
export { restoreIssuer } from './restore/restore.ts';
