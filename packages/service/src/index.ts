export type { GuardedService } from './process/guarded.ts';
export { openGuarded } from './process/guarded.ts';
export type { ReloadedFile, Reloads } from './process/reloads.ts';
export { reloadedText } from './process/reloads.ts';
export { run } from './process/run.ts';
export type { Listener, OpenedParts, RunningService, Service, ServiceContext } from './process/service.ts';
export { openService, packageVersion } from './process/service.ts';
export { backupMark } from './telemetry/disks.ts';
export { createTelemetry } from './telemetry/telemetry.ts';
