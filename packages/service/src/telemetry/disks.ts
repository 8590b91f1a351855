import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Telemetry } from '@rescind/revocation';

/** The variables that name what a service writes, and the label of each. */
const VOLUMES = { DATABASE_PATH: 'database', KEYS_PATH: 'keys', DENYLIST_PATH: 'denylist' } as const;

/**
 * The empty file whose time of modification is that of the last backup of a database. `rescind backup` sets it; where another program copies the
 * database, that program does.
 */
export const backupMark = (databasePath: string): string => `${databasePath}.backed-up`;

/**
 * Returns a function that measures the file systems of the files that a service writes, and the time of the last backup, for a call before each scrape. It does not wait
 * for the disk, which may be frozen: a scrape has the values of the one before. A path that does not exist yet has none.
 */
export function createDiskMetrics(telemetry: Pick<Telemetry, 'gauge'>, configuration: object): () => void {
  const paths = new Map(Object.entries(configuration));
  const folders = Object.entries(VOLUMES).flatMap(([variable, volume]) => {
    const path: unknown = paths.get(variable);
    return typeof path === 'string' ? [{ volume, folder: dirname(path) }] : [];
  });
  const databasePath: unknown = paths.get('DATABASE_PATH');
  const measure = () => {
    if (typeof databasePath === 'string') {
      stat(backupMark(databasePath)).then(
        ({ mtimeMs }) => telemetry.gauge('rescind_backup_last_success_timestamp_seconds', mtimeMs / 1_000),
        () => undefined,
      );
    }
    for (const { volume, folder } of folders) {
      statfs(folder).then(
        ({ bavail, blocks, bsize }) => {
          telemetry.gauge('rescind_disk_free_bytes', bavail * bsize, { volume });
          telemetry.gauge('rescind_disk_size_bytes', blocks * bsize, { volume });
        },
        () => undefined,
      );
    }
  };
  measure();
  return measure;
}
