import type { CliHost } from './host.ts';
import { cut, localTime, toJsonLine, visible } from './text.ts';

/** The version of the JSON documents. Within it members are only added. */
export const CONTRACT = 1;

/** The value of a cell; `{ time }` is in milliseconds since 1970. */
export type Cell = string | number | boolean | null | undefined | { readonly time: number | null | undefined };

export interface Column<T> {
  readonly name: string;
  cell(item: T): Cell;
}

interface Table<T> {
  readonly columns: readonly Column<T>[];
  readonly items: readonly T[];
}

/** How a command writes. */
export interface Output {
  readonly isJson: boolean;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** A table; with `--json` the document, or one line for each item with `--stream`. */
  table<T extends object>(table: Table<T>, document?: object): void;
  /** Name and value, one line each; with `--json` the document. */
  record(values: Readonly<Record<string, Cell>>, document: object): void;
  /** Lines of a stream: text, or with `--json` one document a line. */
  line(text: string, document: object): void;
  /** A remark on standard error, made harmless as every text. */
  note(text: string, color?: Color): void;
  /** Colours a text for a terminal that has colours. */
  colored(text: string, color: Color): string;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly stream?: boolean | undefined;
  /** Names of the columns to write, in this order. */
  readonly fields?: readonly string[] | undefined;
  now(): number;
}

const COLORS = { red: 31, yellow: 33, green: 32 } as const;
type Color = keyof typeof COLORS;
/** Between two columns on a terminal. */
const GAP = 2;
/** A column is not cut below this width. */
const LEAST_WIDTH = 8;

/** Writes results to standard output and everything else to standard error. */
export function createOutput({ stdout, stderr, env }: CliHost, { json, stream, fields, now }: OutputOptions): Output {
  const isTerminal = stdout.isTTY === true;
  const hasColors = isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
  const shown = (cell: Cell): string => {
    if (cell === null || cell === undefined) return isTerminal ? '–' : '';
    if (typeof cell !== 'object') return visible(String(cell));
    if (cell.time === null || cell.time === undefined) return isTerminal ? '–' : '';
    return isTerminal ? localTime(cell.time, now()) : new Date(cell.time).toISOString();
  };
  const colored = (text: string, color: Color) => (hasColors ? `\u001b[${COLORS[color]}m${text}\u001b[0m` : text);
  const document = (value: object) => void stdout.write(toJsonLine({ contract: CONTRACT, ...value }));
  const chosen = <T>(columns: readonly Column<T>[]): readonly Column<T>[] =>
    fields === undefined ? columns : fields.flatMap((name) => columns.filter((column) => column.name === name));

  return {
    isJson: json,
    isTerminal,
    table({ columns, items }, whole = { items }) {
      if (json && stream === true) return items.forEach(document);
      if (json) return document(whole);
      const kept = chosen(columns);
      const rows = items.map((item) => kept.map((column) => shown(column.cell(item))));
      const lines = [kept.map(({ name }) => name), ...rows];
      const text = isTerminal ? aligned(lines, stdout.columns ?? 80) : lines.map((line) => line.join('\t'));
      stdout.write(`${text.join('\n')}\n`);
      if (isTerminal && items.length === 0) stderr.write('none\n');
    },
    record(values, whole) {
      if (json) return document(whole);
      const width = Math.max(...Object.keys(values).map((name) => name.length)) + GAP;
      const lines = Object.entries(values).map(([name, cell]) =>
        isTerminal ? `${name.padEnd(width)}${shown(cell)}` : `${name}\t${shown(cell)}`,
      );
      stdout.write(`${lines.join('\n')}\n`);
    },
    line: (text, whole) => (json ? document(whole) : void stdout.write(`${visible(text)}\n`)),
    note: (text, color) =>
      void stderr.write(`${color === undefined ? visible(text) : colored(visible(text), color)}\n`),
    colored,
  };
}

/** Pads columns, and cuts the widest ones until a line fits. */
function aligned(lines: readonly (readonly string[])[], columns: number): string[] {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => [...(line[at] ?? '')].length)));
  const total = () => widths.reduce((sum, width) => sum + width + GAP, -GAP);
  for (let excess = total() - columns; excess > 0; excess = total() - columns) {
    const widest = Math.max(...widths);
    if (widest <= LEAST_WIDTH) break;
    widths[widths.indexOf(widest)] = Math.max(LEAST_WIDTH, widest - excess);
  }
  return lines.map((line) =>
    line
      .map((text, at) => cut(text, widths[at] ?? 0).padEnd((widths[at] ?? 0) + GAP))
      .join('')
      .trimEnd(),
  );
}
