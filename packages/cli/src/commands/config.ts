import { Option } from 'commander';
import type { Register } from '../context.ts';
import { findConfigurationProblems } from '../doctor/configuration.ts';
import { readEnvironment } from '../doctor/environment.ts';
import { columnsOfFindings } from '../doctor/finding.ts';
import { withColumns } from '../options.ts';
import { findMain, SERVICES } from '../service-process.ts';

const COLUMNS = columnsOfFindings('status', 'code', 'evidence');

/** `rescind config check`. */
export const registerConfig: Register = (program, run) => {
  const config = program.command('config').description('configurations of services');
  withColumns(config.command('check'), COLUMNS)
    .description('whether a service would start with a configuration, by its own rules; nothing is opened')
    .argument('<env-file>', 'its environment, as lines NAME=value')
    .addOption(new Option('--service <name>', 'whose configuration it is').choices(SERVICES).default('user-management'))
    .option('--main <path>', 'the main file of the service, where it is not installed beside this command')
    .action(
      run(async ({ output }, file: string, { service, main }: { service: string; main?: string }) => {
        const findings = await findConfigurationProblems(findMain(service, main), service, readEnvironment(file));
        const isValid = findings.every(({ status }) => status !== 'fail');
        output.table({ columns: COLUMNS, items: findings }, { valid: isValid, items: findings });
        return isValid ? undefined : 'not_well';
      }),
    );
};
