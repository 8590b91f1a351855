/**
 * The candidate that `name` was most probably meant to be: one that contains it or is contained in it, else the one with the least
 * edit distance. Upper and lower case, `_` and `-` make no difference.
 * @returns undefined only without candidates
 */
export function suggestOption(name: string, candidates: readonly string[]): string | undefined {
  const wanted = normalized(name);
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const known = normalized(candidate);
    const isPart = Math.min(wanted.length, known.length) > 2 && (wanted.includes(known) || known.includes(wanted));
    const distance = isPart ? 1 : editDistance(wanted, known);
    if (distance < least) [least, nearest] = [distance, candidate];
  }
  return nearest;
}

const normalized = (name: string) => name.slice(0, 64).toLowerCase().replaceAll(/[_-]/g, '');

/** The optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const swapped = isSwap ? (before[column - 2] ?? Number.POSITIVE_INFINITY) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(replaced, swapped, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    [before, above] = [above, current];
  }
  return above[to.length] ?? 0;
}
