/** The rules of four in a row: seven columns, six rows, and the player wins who has four in a line. */
export const COLUMNS = 7;
const ROWS = 6;
const IN_LINE = 4;

/** The first player, who begins the first game, or the second. */
export type Seat = 0 | 1;

/** By index `row * COLUMNS + column`, from the top left; null: empty. */
export type Board = readonly (Seat | null)[];

export const EMPTY: Board = Array.from({ length: COLUMNS * ROWS }, () => null);

/** @returns the index of the cell into which a piece falls; undefined: there is no such column, or it is full */
export function landing(board: Board, column: number): number | undefined {
  if (!Number.isInteger(column) || column < 0 || column >= COLUMNS) return undefined;
  for (let row = ROWS - 1; row >= 0; row -= 1) {
    const at = row * COLUMNS + column;
    if (board[at] === null) return at;
  }
  return undefined;
}

export const place = (board: Board, at: number, seat: Seat): Board => board.with(at, seat);

export const isFull = (board: Board): boolean => !board.includes(null);

/** Right, down, and the two diagonals down. */
const DIRECTIONS = [
  [1, 0],
  [0, 1],
  [1, 1],
  [-1, 1],
] as const;

/** @returns the cells of a line through this cell with at least four pieces of one player; undefined: there is none */
export function winningLine(board: Board, at: number): number[] | undefined {
  const seat = board[at];
  if (seat === null || seat === undefined) return undefined;
  for (const [right, down] of DIRECTIONS) {
    const line = [...run(board, at, -right, -down).reverse(), at, ...run(board, at, right, down)];
    if (line.length >= IN_LINE) return line;
  }
  return undefined;
}

/** The cells beside a cell, in one direction, as far as they have the piece of the same player. */
function run(board: Board, at: number, right: number, down: number): number[] {
  const cells: number[] = [];
  let column = (at % COLUMNS) + right;
  let row = Math.floor(at / COLUMNS) + down;
  while (column >= 0 && column < COLUMNS && row >= 0 && row < ROWS) {
    const next = row * COLUMNS + column;
    if (board[next] !== board[at]) break;
    cells.push(next);
    column += right;
    row += down;
  }
  return cells;
}
