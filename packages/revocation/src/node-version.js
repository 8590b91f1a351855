// @ts-check
// JavaScript, and so is what imports it first: a version without type stripping refuses a file that ends with `.ts`.

/** The first version that runs TypeScript as it is (type stripping) and that better-sqlite3 is built for. */
const LEAST = '22.18';

/**
 * What is wrong with a version of Node.js, in one sentence.
 * @param {string} version as `process.versions.node`
 * @param {string} least the first version that will do. Default: that of every package
 * @returns {string | undefined} undefined: the version is new enough
 */
export function nodeVersionProblem(version, least = LEAST) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return undefined;
  return `Rescind requires Node.js ${least} or later (24 is recommended); this is Node.js ${version}`;
}

/**
 * Runs the main module of a process. An older Node.js gets one sentence on standard error and exit code 1; it would end with
 * a segmentation fault in SQLite, or with an unknown file extension.
 * @param {() => Promise<unknown>} main imports the main module
 * @param {string} [least] the first version that will do, if this process requires a newer one than every package
 */
export async function runMain(main, least) {
  const problem = nodeVersionProblem(process.versions.node, least);
  if (problem === undefined) {
    await main();
    return;
  }
  console.error(problem);
  process.exitCode = 1;
}
