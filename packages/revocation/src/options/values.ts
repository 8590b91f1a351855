/**
 * The own properties of a plain object, each read once. A getter is therefore called once, and what it returns is what is
 * checked and used. Properties with the value `undefined` are left out: they count as absent.
 *
 * @throws TypeError for anything but a plain object: what a prototype provides would be read without being checked; for a
 * property whose name is a symbol
 */
export function ownValues(given: unknown, path: string, expected: string): Map<string, unknown> {
  if (!isPlainObject(given)) throw new TypeError(`${path} must be ${expected}, got ${describeValue(given)}`);
  const found = new Map<string, unknown>();
  for (const name of Reflect.ownKeys(given)) {
    if (typeof name === 'symbol')
      throw new TypeError(`${path} must be ${expected}, got one with the symbol ${String(name)}`);
    const value = given[name];
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  // An object literal of another realm, such as the one in which a test runner evaluates a test.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}
/** Names what was given without quoting text, which may be a secret. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return value === '' ? 'empty text' : 'text';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty object' : 'an object';
  return `a ${typeof value}`;
}
