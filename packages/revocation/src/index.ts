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
export { mergeRows, NEVER, NO_SESSION, toRow, UNBOUNDED, UNBOUNDED_CLAIMS } from './cut-off.ts';
export { createOwnFile, databasePath, makeDirectory, refuseSecondName, restrictToOwner } from './database-file.ts';
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
export type { Find, JudgedToken, JudgeOptions, Verdict } from './judge.ts';
export { comparableValues, issuedAt, judge } from './judge.ts';
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
export type { DenyingRow } from './refusing.ts';
export { denyingRows, filterRows, toDenyingRow } from './refusing.ts';
export { createRevocationId, revokedAt } from './revocation-id.ts';
export { createStandardErrorTelemetry, standardErrorTelemetry } from './standard-error.ts';
export type { StorageFailure } from './storage.ts';
export { storageCodeOf, storageFailureOf, storageUnavailable } from './storage.ts';
export type { Fields, HealthCheck, LogLevel, Telemetry } from './telemetry.ts';
export { silentTelemetry } from './telemetry.ts';
export type { WalLimit } from './wal.ts';
export { createWalLimit, truncateWal } from './wal.ts';
