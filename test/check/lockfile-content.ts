import { readFileSync, writeFileSync } from 'node:fs';

interface LockEntry {
  version?: string;
  resolved?: string;
  link?: boolean;
  gypfile?: boolean;
  optional?: boolean;
  dev?: boolean;
  os?: string[];
  cpu?: string[];
  optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  packages: Record<string, LockEntry>;
}

const FILE = 'package-lock.json';

export const readLockfile = (): Lockfile => JSON.parse(readFileSync(FILE, 'utf8')) as Lockfile;

export const writeLockfile = (lock: Lockfile): void => writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);

/** Packages for other platforms that the lock must name (`npm ci` compares) and that a registry did not have. */
export function missingPlatforms({ packages }: Lockfile): { name: string; version: string; dev: boolean }[] {
  const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)));
  return Object.values(packages).flatMap((entry) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !names.has(name))
      .map(([name, version]) => ({ name, version, dev: entry.dev === true })),
  );
}
