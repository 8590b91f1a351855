import './open.ts';

export type { DatabaseFacts } from './backup.ts';
export { backupDatabase, replaceDatabase, verifyDatabase } from './backup.ts';
export type { HostMigration, HostSql, HostStatement, MigrationSql } from './host.ts';
export type { SqliteStore, SqliteStoreOptions } from './open.ts';
export { sqliteStore } from './open.ts';
