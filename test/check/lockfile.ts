import { readFileSync } from 'node:fs';
import { CheckFailed } from './command.ts';
import { missingPlatforms, readLockfile } from './lockfile-content.ts';

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/**
 * Checks what npm would silently revert: better-sqlite3's `gypfile: false` (without it `npm ci` requires Python and a
 * compiler), no address of a registry in the lock file, and exact versions everywhere.
 */
export function checkLockfile(): string {
  const lock = readLockfile();
  const { packages } = lock;
  const complaints: string[] = [];
  if (packages['node_modules/better-sqlite3']?.gypfile !== false) {
    complaints.push('package-lock.json: better-sqlite3 lost its "gypfile": false: npm run lock:mend');
  }
  for (const { name } of missingPlatforms(lock))
    complaints.push(`package-lock.json: ${name} is missing: npm run lock:mend`);
  const workspaces: string[] = [''];
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.link === true) workspaces.push(String(entry.resolved));
    else if (entry.resolved !== undefined) complaints.push(`package-lock.json: ${path} names where it was downloaded`);
  }
  for (const workspace of workspaces) {
    const file = workspace === '' ? 'package.json' : `${workspace}/package.json`;
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (!/^(npm:[\w@/.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
        complaints.push(`${file}: ${name} is not pinned: ${version}`);
    }
  }
  if (workspaces.length < 2) complaints.push('package-lock.json: no workspace was found, so nothing was checked');
  if (complaints.length > 0) throw new CheckFailed(complaints.join('\n'));
  return `${Object.keys(packages).length} packages, ${workspaces.length} manifests`;
}
