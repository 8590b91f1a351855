import './require-node.ts';

export type {
  Boot,
  Clock,
  ClockFloor,
  DurationMs,
  EpochMillis,
  EpochSeconds,
  IssuerClock,
  ManualClock,
  ReferenceClock,
  ReferenceState,
  TrustedClock,
} from './clock.ts';
export {
  aliveAt,
  CLOCK_TOLERANCE_MS,
  createIssuerClock,
  createManualClock,
  isLeading,
  systemClock,
} from './clock.ts';
export type { CutOff, CutOffRow, Revocation } from './cut-off.ts';
export {
  createRevocationId,
  mergeRows,
  NEVER,
  NO_SESSION,
  revokedAt,
  toRow,
  UNBOUNDED,
  UNBOUNDED_CLAIMS,
} from './cut-off.ts';
export type { StorageFailure, WalLimit } from './database-file.ts';
export {
  createOwnFile,
  createWalLimit,
  databasePath,
  makeDirectory,
  refuseSecondName,
  restrictToOwner,
  storageCodeOf,
  storageFailureOf,
  storageUnavailable,
  truncateWal,
} from './database-file.ts';
export type { ErrorCode, RequestIssue, RescindErrorOptions } from './errors.ts';
export {
  CREDENTIAL_REFUSALS,
  DECISION_REFUSALS,
  ERRORS,
  isCallersError,
  RequestRefused,
  RescindError,
  TOKEN_REFUSALS,
} from './errors.ts';
export type { DenyingRow, Find, JudgedToken, JudgeOptions, Verdict } from './judge.ts';
export { comparableValues, denyingRows, filterRows, issuedAt, judge, toDenyingRow } from './judge.ts';
export type { LogChange, LogState, Quarantined } from './log.ts';
export { isLogTimeOld, prunableBefore } from './log.ts';
export type {
  CounterName,
  GaugeName,
  HistogramName,
  MetricGroup,
  MetricLabels,
  MetricName,
} from './metrics/catalogue.ts';
export { METRIC_GROUPS, METRICS } from './metrics/catalogue.ts';
export type { MetricEntry } from './metrics/entry.ts';
export { createReferenceClock } from './reference-clock.ts';
export { createStandardErrorTelemetry, standardErrorTelemetry } from './standard-error.ts';
export type { Fields, HealthCheck, LogLevel, Telemetry } from './telemetry.ts';
export { silentTelemetry } from './telemetry.ts';
