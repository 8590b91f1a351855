import { globSync, readFileSync } from 'node:fs';
import { CheckFailed } from './command.ts';

/**
 * A statement of SQLite has no bare parameter as its LIMIT, but `LIMIT ? + 0`. SQLite plans a statement by the value of a bare one,
 * and so compiles it again whenever one is bound: that takes longer than to read a row.
 */
export function checkStatements(): string {
  const files = globSync(['packages/*/src/**/*.ts', 'services/*/src/**/*.ts']);
  const found = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        /\bLIMIT [?@:$]\w*(?![\w ])|\bLIMIT [?@:$]\w* (?!\+ 0)/.test(line)
          ? [`${file}:${index + 1}: ${line.trim()}`]
          : [],
      ),
  );
  if (files.length === 0) throw new CheckFailed('no file was read');
  if (found.length > 0) throw new CheckFailed(found.join('\n'));
  return `${files.length} files`;
}
