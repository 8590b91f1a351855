/** The first version that runs TypeScript as it is (type stripping) and that better-sqlite3 is built for. */
const LEAST = [22, 18] as const;

/**
 * Refuses an older Node.js with a sentence. Evaluated before every other module of the packages: an older version would
 * end with a segmentation fault in SQLite, or with a syntax error.
 * @param version as `process.versions.node`
 * @throws Error naming the version that is needed and the one that runs
 */
function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new Error(
    `Rescind requires Node.js ${LEAST.join('.')} or later (24 is recommended); this is Node.js ${version}`,
  );
}

requireNode(process.versions.node);
