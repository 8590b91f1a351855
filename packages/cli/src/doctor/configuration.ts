import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { findMain, runService } from '../service-process.ts';
import type { Check, Finding } from './finding.ts';
import { see } from './finding.ts';

/** The command of every service that reads its configuration and ends. */
const CHECK_COMMAND = 'check-configuration';

/** Whether the service of `--env-file` would start with its configuration, by the rules of that service itself. */
export const checkConfiguration: Check = async ({ environment, service }) => {
  if (environment === undefined) return [];
  return findConfigurationProblems(findMain(service, undefined), service, environment);
};

/** @param main the main file of the service */
export async function findConfigurationProblems(
  main: string,
  service: string,
  environment: Readonly<Record<string, string>>,
): Promise<readonly Finding[]> {
  const { exitCode, lines, rest } = await runService(main, [CHECK_COMMAND], environment);
  const cure = 'docs/configuration.md has every variable';
  const problems = lines.flatMap(({ event, variable, problem }): Finding[] => {
    if (event !== 'configuration_invalid' && event !== 'variable_misspelt') return [];
    const isInvalid = event === 'configuration_invalid';
    const status = isInvalid ? 'fail' : 'warn';
    return [
      {
        code: isInvalid ? 'variable_invalid' : 'variable_misspelt',
        group: 'configuration',
        status,
        evidence: `${variable} ${problem}`,
        cure,
      },
    ];
  });
  if (problems.length > 0) return problems;
  if (exitCode === 0)
    return [{ code: 'configuration_valid', group: 'configuration', status: 'pass', evidence: service }];
  const evidence = String(lines.at(-1)?.message ?? rest.split('\n').at(-1) ?? `${service} ended with ${exitCode}`);
  return [{ code: 'configuration_unreadable', group: 'configuration', status: 'fail', evidence, cure }];
}

/** Below these shares of a file system that are free. */
const DISK_WARN = 0.2;
const DISK_FAIL = 0.05;
/** The variables that name files or directories which a service writes. */
const WRITTEN = ['DATABASE_PATH', 'KEYS_PATH', 'DENYLIST_PATH'] as const;
/** Only the owner may read these. */
const PRIVATE = new Set<string>(['DATABASE_PATH', 'KEYS_PATH']);
const OTHERS = 0o077;

/** Whether the disks of the files that `--env-file` names have room, and the private ones are private. */
export const checkDisk: Check = async ({ environment }) => {
  if (environment === undefined) return [];
  return WRITTEN.flatMap((variable): Finding[] => {
    const path = environment[variable];
    if (path === undefined) return [];
    const finding = (code: string, status: Finding['status'], evidence: string, cure?: string): Finding => ({
      code,
      group: 'disk',
      status,
      evidence: `${variable}: ${evidence}`,
      cure,
    });
    const place = nearestExisting(path);
    const { bavail, blocks } = statfsSync(place);
    const free = blocks === 0 ? 1 : bavail / blocks;
    const share = `${Math.round(free * 100)} % of the disk of ${place} are free`;
    const isShared = PRIVATE.has(variable) && place === path && (statSync(path).mode & OTHERS) !== 0;
    return [
      free < DISK_WARN
        ? finding(
            'disk_full',
            free < DISK_FAIL ? 'fail' : 'warn',
            share,
            see('free space, or move the file', 'monitoring'),
          )
        : finding('disk_free', 'pass', share),
      ...(isShared ? [finding('file_not_private', 'fail', `others may read ${path}`, `chmod go= ${path}`)] : []),
    ];
  });
};

function nearestExisting(path: string): string {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return path;
  const parent = dirname(path);
  return parent === path ? path : nearestExisting(parent);
}
