import { globSync, readFileSync } from 'node:fs';
import { CheckFailed } from './command.ts';

/** Only the `config`, `main` and `start` files of a process use `process.env`, signals and exits; all other code has parameters. */
export function checkProcesses(): string {
  const files = globSync(['packages/*/src/**/*.ts', 'services/*/src/**/*.ts']).filter(
    (file) => !file.startsWith('packages/dev-'),
  );
  const allowed = /(^|\/)(config|main|start|environment)\.ts$/;
  const found = files
    .filter((file) => !allowed.test(file))
    .flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          /\bprocess\.(env|exit|exitCode|on|once)\b/.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
        ),
    );
  if (files.length === 0) throw new CheckFailed('no file was read');
  if (found.length > 0) throw new CheckFailed(found.join('\n'));
  return `${files.length} files`;
}
