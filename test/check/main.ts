import { CheckFailed, runTool } from './command.ts';
import { checkImports } from './imports.ts';
import { checkLockfile } from './lockfile.ts';
import { checkProcesses } from './processes.ts';
import { checkStatements } from './statements.ts';

const checks: Readonly<Record<string, () => string | undefined | Promise<string>>> = {
  'lock file': checkLockfile,
  'format and lint': () => void runTool('biome', ['ci', '--error-on-warnings', '.']),
  types: () => void runTool('tsc', ['--noEmit', '-p', 'tsconfig.json']),
  'types of pages': () => void runTool('tsc', ['--noEmit', '-p', 'services/web/page']),
  'types of the console': () => void runTool('tsc', ['--noEmit', '-p', 'services/console/page']),
  'types of the site': () => void runTool('tsc', ['--noEmit', '-p', 'packages/dev-site']),
  'types of browser tests': () => void runTool('tsc', ['--noEmit', '-p', 'test/browser']),
  imports: checkImports,
  processes: checkProcesses,
  statements: checkStatements,
  'dead exports': () => void runTool('knip', ['--treat-config-hints-as-errors']),
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    const found = await check();
    console.log(`ok      ${name}${found === undefined ? '' : ` (${found})`}`);
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error;
    failed += 1;
    console.error(`failed  ${name}\n${error.message}`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
