import type { OptionCheck } from './checks.ts';
import { suggestOption } from './nearest.ts';
import { ownValues } from './values.ts';

/** An option that has to be given: its check is called with `undefined` where it is absent. */
export interface RequiredOption<T> {
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

/** The check of an options object. It is an `OptionCheck` too, for options inside of options. */
export interface OptionsCheck<T extends object> {
  /**
   * @returns a frozen copy without a prototype, which later changes of `given` do not reach
   * @throws TypeError that names the option and what would be right, or the option whose name is nearest to an unknown one
   */
  (given: unknown, path?: string): Readonly<T>;
  readonly shape: OptionShape<T>;
}

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

  function check(given: unknown, path = ''): Readonly<T> {
    const found = ownValues(given, path === '' ? `the argument of ${owner}` : path, 'a plain object of options');
    const prefix = path === '' ? '' : `${path}.`;
    for (const name of found.keys()) if (!checks.has(name)) throw unknownOption(`${prefix}${name}`, name);
    const copy: Record<string, unknown> = Object.create(null);
    for (const [name, { check: checkOne, isRequired }] of checks) {
      if (found.has(name) || isRequired) copy[name] = checkOne(found.get(name), `${prefix}${name}`);
    }
    return Object.freeze(copy) as Readonly<T>;
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
