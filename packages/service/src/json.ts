/** How deep arrays and objects are nested in a JSON text. Without parsing it. */
export function jsonDepth(text: string): number {
  return shapeOf(text).depth;
}

/**
 * Whether an object in a JSON text has two members of one name, at any depth: readers of JSON disagree about which counts
 * (RFC 7493 section 2.3).
 * @param value what `JSON.parse` makes of the text: of two members it keeps the last
 */
export function hasMemberTwice(text: string, value: unknown): boolean {
  return membersOf(value) !== shapeOf(text).colons;
}

/** How deep arrays and objects are nested, and how many colons are outside of strings: one for each member. Without parsing. */
function shapeOf(text: string): { readonly depth: number; readonly colons: number } {
  let [depth, deepest, colons, quoted] = [0, 0, 0, false];
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
    else if (character === ':') colons++;
  }
  return { depth: deepest, colons };
}

/** How many members the objects in a value have, all together. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value).reduce((count: number, member) => count + membersOf(member), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}
