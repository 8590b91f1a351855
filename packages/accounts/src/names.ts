import unhomoglyph from 'unhomoglyph';

/** Invisible characters (UAX 44, Default_Ignorable_Code_Point): fillers, selectors, joiners, and controls of direction. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

/** Whether a name has an invisible character. */
export function hasInvisible(name: string): boolean {
  return name.search(INVISIBLE) >= 0;
}

/** By what a name is found: two spellings of one name are the same name. */
export function nameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}

/**
 * By what names are told apart: two that share one of these look alike. Skeletons as UTS 39 section 4 defines them,
 * of the name in one case, and of the name as it is written and then in one case: `Ian` looks like `lan`, and `ian` does not.
 */
export function lookAlikeKeys(username: string): string[] {
  const name = username.normalize('NFKC');
  return [...new Set([skeleton(folded(name)), folded(skeleton(name))])];
}

/** UTS 39 section 4, `skeleton`: data of confusables.txt. */
function skeleton(name: string): string {
  return unhomoglyph(name.normalize('NFD').replaceAll(INVISIBLE, '')).normalize('NFD');
}

/** One case, character by character: the case of none depends on its place, as that of a final sigma would. */
function folded(name: string): string {
  return [...name].map((character) => character.toUpperCase().toLowerCase()).join('');
}
