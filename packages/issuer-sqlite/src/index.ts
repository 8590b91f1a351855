import './errors.ts';

export type { HostMigration, HostSql, HostStatement } from './host.ts';
export type { SqliteStore, SqliteStoreOptions } from './open.ts';
export { sqliteStore } from './open.ts';
