/** The candidate with the least edit distance to `name`; undefined when none is near enough to be what was meant. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // Beyond half of the name nothing is a slip of the finger any more.
  let least = Math.floor(name.length / 2) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate);
    if (distance < least) [least, nearest] = [distance, candidate];
  }
  return nearest;
}

/**
 * Levenshtein's distance: insertions, deletions and replacements, one row of the table at a time.
 * @param most a greater distance need not be exact. Default: it is always exact
 */
export function editDistance(from: string, to: string, most = Number.POSITIVE_INFINITY): number {
  if (Math.abs(from.length - to.length) > most) return Math.abs(from.length - to.length);
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[to.length] ?? 0;
}
