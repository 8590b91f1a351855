type Check = readonly [isRight: (value: unknown) => boolean, right: string];

/**
 * Checks the options of a sub-path. The core has a smaller check of its own (`checkOptions` of options.ts).
 * @param required names that must be there
 * @throws TypeError naming the option, and what would be right; for an unknown one, the nearest known name
 */
export function checkNames<T extends object>(
  of: string,
  given: T,
  checks: Readonly<Record<keyof T & string, Check>>,
  required: readonly (keyof T & string)[],
): void {
  const options: Readonly<Record<string, unknown>> = Object(given);
  const fail = (name: string, right: string) => new TypeError(`${of}: ${name} must be ${right}`);
  const prototype = Object.getPrototypeOf(options);
  if (prototype && prototype !== Object.prototype) throw fail('options', 'a plain object');
  const known = Object.keys(checks);
  for (const name of Reflect.ownKeys(options).map(String)) {
    if (!known.includes(name)) throw fail(name, nearest(name, known));
  }
  for (const [name, [isRight, right]] of Object.entries<Check>(checks)) {
    const isRequired = required.some((each) => each === name);
    if ((isRequired || options[name] !== undefined) && !isRight(options[name])) throw fail(name, right);
  }
}

/** The name that has most of its beginning in common. */
const nearest = (name: string, known: readonly string[]): string =>
  known.find((each) => each.startsWith(name)) ?? nearest(name.slice(0, -1), known);
