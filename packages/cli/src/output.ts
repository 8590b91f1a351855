import type { CliHost } from './host.ts';
import { cells, fit, localTime, relativeTime, toJsonLine, visible } from './text.ts';

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
  /** Whether `--fields` selects columns. */
  readonly isSelective: boolean;
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
/** A column is not cut below this width: 8 characters of an id, which are enough to name it, and `…`. */
const LEAST_WIDTH = 9;

/** Writes results to standard output and everything else to standard error. */
export function createOutput({ stdout, stderr, env }: CliHost, { json, stream, fields, now }: OutputOptions): Output {
  const isTerminal = stdout.isTTY === true;
  const hasColors = ({ isTTY }: CliHost['stdout']) => isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  const shown = (cell: Cell, time = localTime): string => {
    const value = typeof cell === 'object' ? cell?.time : cell;
    if (value === null || value === undefined) return isTerminal ? '–' : '';
    if (typeof cell !== 'object') return visible(String(value));
    return isTerminal ? time(Number(value), now()) : new Date(Number(value)).toISOString();
  };
  const paint = (stream: CliHost['stdout'], text: string, color: Color) =>
    hasColors(stream) ? `\u001b[${COLORS[color]}m${text}\u001b[0m` : text;
  const document = (value: object) => void stdout.write(toJsonLine({ contract: CONTRACT, ...value }));
  const note = (text: string, color?: Color) => {
    const harmless = visible(text);
    stderr.write(`${color === undefined ? harmless : paint(stderr, harmless, color)}\n`);
  };

  function writeTable<T>(columns: readonly Column<T>[], items: readonly T[]): void {
    const names = columns.map(({ name }) => name);
    const linesOf = (time?: typeof localTime) => [
      names,
      ...items.map((item) => columns.map((column) => shown(column.cell(item), time))),
    ];
    const lines = linesOf();
    if (!isTerminal) return void stdout.write(`${lines.map((line) => line.join('\t')).join('\n')}\n`);
    const width = stdout.columns || 80;
    // Where the times do not fit in full, how long ago says more than the beginning of a date.
    const { text, omitted } = aligned(lineWidth(widthsOf(lines)) <= width ? lines : linesOf(relativeTime), width);
    stdout.write(`${text.join('\n')}\n`);
    if (omitted > 0) note(`# no room for ${names.slice(-omitted).join(', ')}: --fields selects columns`);
    if (items.length === 0) note('none');
  }

  return {
    isJson: json,
    isTerminal,
    isSelective: fields !== undefined,
    table({ columns, items }, whole = { items }) {
      if (json && stream === true) return items.forEach(document);
      if (json) return document(whole);
      writeTable(fields?.flatMap((name) => columns.filter((column) => column.name === name)) ?? columns, items);
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
    note,
    colored: (text, color) => paint(stdout, text, color),
  };
}

const widthsOf = (lines: readonly (readonly string[])[]): number[] =>
  lines.reduce<number[]>((widths, line) => line.map((text, at) => Math.max(widths[at] ?? 0, cells(text))), []);

const lineWidth = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width + GAP, -GAP);

/** Pads columns, cuts the widest ones until a line fits, and leaves out the last ones for which there is no room even then. */
function aligned(lines: readonly (readonly string[])[], columns: number) {
  const all = widthsOf(lines);
  const widths = [...all];
  const leastWidth = () => lineWidth(widths.map((width) => Math.min(width, LEAST_WIDTH)));
  while (widths.length > 1 && leastWidth() > columns) widths.pop();
  for (let excess = lineWidth(widths) - columns; excess > 0; excess -= 1) {
    const widest = Math.max(...widths);
    if (widest <= LEAST_WIDTH) break;
    widths[widths.lastIndexOf(widest)] = widest - 1;
  }
  const text = lines.map((line) =>
    widths
      .map((width, at) => fit(line[at] ?? '', width))
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
  return { text, omitted: all.length - widths.length };
}
