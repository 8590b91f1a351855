import type { OptionCheck } from './checks.ts';
import { ownValues } from './checks.ts';

/** An option that has to be given: its check is called with `undefined` where it is absent. */
export interface RequiredOption<T> {
  /** The check of the option. */
  readonly required: OptionCheck<T>;
}

/**
 * Every option of `T` with its check. The compiler demands a check for each property of `T`, and `required` for each
 * property that is not optional.
 */
export type OptionShape<T extends object> = {
  readonly [K in keyof T]-?: Partial<Pick<T, K>> extends Pick<T, K>
    ? OptionCheck<Exclude<T[K], undefined>>
    : RequiredOption<T[K]>;
};

/** Options as their check returns them: an option whose value was undefined is absent. */
type Checked<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** The check of an options object. It is an `OptionCheck` too, for options inside of options. */
export interface OptionsCheck<T extends object> {
  /**
   * @returns a frozen copy without a prototype, which later changes of `given` do not reach
   * @throws TypeError that names the option and what would be right, or the option whose name is nearest to an unknown one
   */
  (given: unknown, path?: string): Checked<T>;
  /** The checks that it is made of, by option. */
  readonly shape: OptionShape<T>;
}

/** Marks an option that callers must set. */
export function required<T>(check: OptionCheck<T>): RequiredOption<T> {
  return { required: check };
}

/**
 * Makes the check of a closed options object: an unknown name, a wrong type, a missing option and anything but a plain object
 * are a TypeError. Own properties count, enumerable or not; a value of `undefined` counts as absent; a symbol, and an object with a prototype
 * of its own, are refused.
 *
 * @param owner the function that takes the options, as its caller writes it, for messages
 */
export function optionsOf<T extends object>(owner: string, shape: OptionShape<T>): OptionsCheck<T> {
  const names = Object.keys(shape);
  const checks = new Map(
    Object.entries<OptionCheck<unknown> | RequiredOption<unknown>>(shape).map(([name, check]) => [
      name,
      typeof check === 'function' ? { check, isRequired: false } : { check: check.required, isRequired: true },
    ]),
  );

  function check(given: unknown, path = ''): Checked<T> {
    const found = ownValues(given, path === '' ? `the argument of ${owner}` : path, 'a plain object of options');
    const prefix = path === '' ? '' : `${path}.`;
    for (const name of found.keys()) if (!checks.has(name)) throw unknownOption(`${prefix}${name}`, name);
    const copy: Record<string, unknown> = Object.create(null);
    for (const [name, { check: checkOne, isRequired }] of checks) {
      if (found.has(name) || isRequired) copy[name] = checkOne(found.get(name), `${prefix}${name}`);
    }
    return Object.freeze(copy) as Checked<T>;
  }

  function unknownOption(path: string, name: string): TypeError {
    const nearest = suggestOption(name, names);
    return new TypeError(
      nearest === undefined
        ? `${path} is not an option of ${owner}, which has none`
        : `${path} is not an option of ${owner}; the nearest is ${nearest} (all: ${names.join(', ')})`,
    );
  }

  return Object.assign(check, { shape });
}

/**
 * The same check for objects that are given with every call: each object is checked once, by its identity. The copy of
 * then is used, so that a later change of the object has no effect.
 */
export function checkedOnce<T extends object>(check: (given: unknown) => Readonly<T>): (given: T) => Readonly<T> {
  const known = new WeakMap<object, Readonly<T>>();
  return (given) => {
    const before = known.get(given);
    if (before !== undefined) return before;
    const checked = check(given);
    known.set(given, checked);
    // A copy that is handed on to another function of the same check is not copied again.
    known.set(checked, checked);
    return checked;
  };
}

/**
 * The candidate that `name` was most probably meant to be: one that contains it or is contained in it, else the one with the least
 * edit distance. Upper and lower case, `_` and `-` make no difference.
 * @returns undefined only without candidates
 */
function suggestOption(name: string, candidates: readonly string[]): string | undefined {
  const wanted = normalized(name);
  let nearest: string | undefined;
  let smallest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const known = normalized(candidate);
    const isPart = Math.min(wanted.length, known.length) > 2 && (wanted.includes(known) || known.includes(wanted));
    const distance = isPart ? 1 : editDistance(wanted, known);
    if (distance < smallest) [smallest, nearest] = [distance, candidate];
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
