import { missingPlatforms, readLockfile, writeLockfile } from './lockfile-content.ts';

/** `npm run lock:mend`, after every `npm install`: puts back what npm drops from package-lock.json. */
const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS: Readonly<Record<string, string>> = {
  'arm-': 'arm',
  arm64: 'arm64',
  x64: 'x64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  ia32: 'ia32',
};

const lock = readLockfile();
const sqlite = lock.packages['node_modules/better-sqlite3'];
if (sqlite !== undefined) sqlite.gypfile = false;

for (const { name, version, dev } of missingPlatforms(lock)) {
  const os = SYSTEMS.find((system) => name.includes(`-${system}-`));
  const cpu = Object.entries(PROCESSORS).find(([word]) => name.includes(word))?.[1];
  if (os === undefined || cpu === undefined) throw new Error(`for which platform is ${name}?`);
  lock.packages[`node_modules/${name}`] = { version, ...(dev && { dev }), optional: true, os: [os], cpu: [cpu] };
  console.log(`added ${name}@${version}`);
}
const paths = Object.keys(lock.packages).sort((a, b) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(paths.map((path) => [path, lock.packages[path] ?? {}]));
writeLockfile(lock);
