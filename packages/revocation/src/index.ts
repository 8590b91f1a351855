import './require-node.ts';

export type { Boot, Clock, DurationMs, EpochMillis, EpochSeconds, ManualClock } from './clock.ts';
export { CLOCK_TOLERANCE_MS, createManualClock, systemClock } from './clock.ts';
export type { ErrorCode } from './errors.ts';
export { RescindError } from './errors.ts';
export type { Fields, HealthCheck, LogLevel, RevocationStep, Telemetry } from './telemetry.ts';
export { recordStep, silentTelemetry, standardErrorTelemetry } from './telemetry.ts';
