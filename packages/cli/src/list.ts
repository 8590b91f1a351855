import type { Json, Query } from './admin.ts';
import type { Context } from './context.ts';
import type { Column } from './output.ts';

/** Writes the table of a list of the server. A list that has more than `limit` items says so, on standard error or as `more`. */
export async function writeList(
  { admin, output }: Context,
  columns: readonly Column<Json>[],
  { path, query, limit }: { readonly path: string; readonly query?: Query; readonly limit: number },
): Promise<undefined> {
  const found: Json[] = [];
  for await (const item of admin().list(path, query ?? {}, limit + 1)) found.push(item);
  const items = found.slice(0, limit);
  const more = found.length > limit;
  output.table({ columns, items }, { items, more });
  if (more) output.note(`# ${limit} of more: --limit shows more`);
}
