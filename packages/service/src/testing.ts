import type { Settings } from './configuration/setting.ts';
import { metaOf } from './configuration/setting.ts';

export { environmentNotes } from './configuration/read.ts';

/** A service's variables as a Markdown table: accepted values, default, meaning. */
export function configurationTable(settings: Settings): string {
  const rows = Object.keys(settings.shape).map((name) => {
    const meta = metaOf(settings, name);
    const variable = meta.fromFile ? `\`${name}\` or \`${name}_FILE\`` : `\`${name}\``;
    const fallback = meta.default !== undefined ? `\`${meta.default}\`` : meta.required ? '(must be set)' : '(none)';
    return [variable, meta.kind, meta.accepts, fallback, meta.about];
  });
  return markdownTable([['Variable', 'Kind', 'Must be', 'Default', 'What it is'], ...rows]);
}

/** Formats a Markdown table, header first. Each column is as wide as its widest cell. */
export function markdownTable([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((cells) => [...(cells[column] ?? '')].length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - [...cell].length)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
