import type { Settings } from './registry.ts';
import { metaOf } from './registry.ts';

/** A service's variables as a Markdown table: what each accepts (all else is refused), its default, what it is. */
export function configurationTable(settings: Settings): string {
  const rows = Object.keys(settings.shape).map((name) => {
    const meta = metaOf(settings, name);
    const variable = meta.fromFile ? `\`${name}\` or \`${name}_FILE\`` : `\`${name}\``;
    const fallback = meta.default !== undefined ? `\`${meta.default}\`` : meta.required ? '(must be set)' : '(none)';
    return `| ${variable} | ${meta.kind} | ${meta.accepts} | ${fallback} | ${meta.about} |`;
  });
  return ['| Variable | Kind | Must be | Default | What it is |', '|---|---|---|---|---|', ...rows].join('\n');
}
