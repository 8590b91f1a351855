import './open.ts';

export type { HostMigration, HostSql, HostStatement, MigrationSql } from './host.ts';
export type { SqliteStore, SqliteStoreOptions } from './open.ts';
export { sqliteStore } from './open.ts';
