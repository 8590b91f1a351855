import { checkedOnce, option, optionsOf, required } from '@rescind/revocation/options';
import { expect, test } from 'vitest';

interface Nested {
  readonly limitMs?: number;
}
interface Options {
  readonly issuer: string;
  readonly scopes?: readonly string[];
  readonly optional?: boolean;
  readonly nested?: Nested;
}

const check = optionsOf<Options>('guard', {
  issuer: required(option.url()),
  scopes: option.list(option.text()),
  optional: option.flag(),
  nested: optionsOf<Nested>('nested', { limitMs: option.duration() }),
});
const issuer = 'https://login.example';

test.each([
  ['scope', 'scopes'],
  ['requiredScopes', 'scopes'],
  ['SCOPES', 'scopes'],
  ['option', 'optional'],
  ['optinoal', 'optional'],
  ['isuer', 'issuer'],
])('the unknown option %s names %s as the nearest', (name, nearest) => {
  expect(() => check({ issuer, [name]: true })).toThrow(`${name} is not an option of guard; the nearest is ${nearest}`);
});

test('an unknown option inside another one is named by its path', () => {
  expect(() => check({ issuer, nested: { limit: 5 } })).toThrow(
    'nested.limit is not an option of nested; the nearest is limitMs',
  );
});

test('an option with the value undefined counts as absent', () => {
  const checked = check({ issuer, scopes: undefined, unknown: undefined });
  expect('scopes' in checked).toBe(false);
  expect(() => check({ issuer: undefined })).toThrow(/^issuer must be an http or https URL/);
});

test('properties of a prototype are refused', () => {
  class Configuration {
    readonly issuer = issuer;
    get optional() {
      return true;
    }
  }
  const given: unknown[] = [
    Object.create({ issuer }),
    new Configuration(),
    new Map([['issuer', issuer]]),
    new Date(),
    [],
    [{ issuer }],
    null,
    undefined,
    'https://login.example',
    () => ({ issuer }),
    Promise.resolve({ issuer }),
  ];
  for (const one of given) expect(() => check(one)).toThrow(/^the argument of guard must be a plain object/);
});

test('a property added to every object reaches no option', () => {
  Object.defineProperty(Object.prototype, 'optional', { value: true, configurable: true, writable: true });
  const { optional } = check({ issuer });
  Reflect.deleteProperty(Object.prototype, 'optional');
  expect(optional).toBeUndefined();
});

test('an object without a prototype is accepted, an own __proto__ and a symbol are refused', () => {
  expect(check(Object.assign(Object.create(null), { issuer })).issuer).toBe(issuer);
  expect(() => check(JSON.parse(`{"issuer":"${issuer}","__proto__":{"optional":true}}`))).toThrow(/^__proto__ is not/);
  expect(() => check({ issuer, [Symbol('optional')]: true })).toThrow(/Symbol\(optional\)/);
});

test('a getter is called once, and properties that are not enumerable count', () => {
  let calls = 0;
  const given = {
    issuer,
    get optional() {
      calls += 1;
      return calls === 1;
    },
  };
  expect(check(given).optional).toBe(true);
  expect(calls).toBe(1);
  const hidden = Object.defineProperty({ issuer }, 'scope', { value: 'x', enumerable: false });
  expect(() => check(hidden)).toThrow(/^scope is not an option/);
});

test('the checked copy is frozen and keeps its lists', () => {
  const scopes = ['a'];
  const checked = check({ issuer, scopes });
  scopes.length = 0;
  expect(checked.scopes).toEqual(['a']);
  expect(Object.isFrozen(checked) && Object.isFrozen(checked.scopes)).toBe(true);
});

const refused: [string, (value: unknown, path: string) => unknown, unknown[]][] = [
  ['text', option.text(), ['', 1, null, undefined, ['a'], { a: 1 }, Symbol('a'), true]],
  ['filePath', option.filePath(), ['', 'a\0b', 5, null]],
  [
    'url',
    option.url(),
    [
      '',
      'login.example',
      'ftp://login.example',
      'https://a:b@login.example',
      'https://a@login.example',
      'https://login.example/#',
      'https://login.example/?',
      5,
      new URL(issuer),
    ],
  ],
  ['flag', option.flag(), ['true', 'false', 0, 1, null, undefined]],
  ['count', option.count({ min: 1 }), [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', 1n, null]],
  ['duration', option.duration({ max: 10 }), [0, -1, 11, Number.NaN, Number.POSITIVE_INFINITY, '5s', null]],
  ['oneOf', option.oneOf('deny', 'allow'), ['Deny', '', null, ['deny'], 0]],
  [
    'list',
    option.list(option.text()),
    [[], 'a', [''], [undefined], new Array(1), new Set(['a']), { 0: 'a', length: 1 }],
  ],
  ['record', option.record(option.text()), [{}, [], null, { a: 1 }, new Map([['a', 'b']]), { [Symbol('a')]: 'b' }]],
  ['callable', option.callable(), [{}, null, 'f', true]],
  [
    'having',
    option.having<Options['nested'] & { open(): void }>('a transport', 'open'),
    [{}, null, { open: true }, 'open'],
  ],
  ['telemetry', option.telemetry, [{}, null, console, { log: () => undefined }]],
  ['clock', option.clock, [{}, Date, { now: () => 0 }]],
];

test.each(refused)('the check %s refuses wrong values by the path of the option', (_name, checkOne, values) => {
  for (const value of values) expect(() => checkOne(value, 'a.b')).toThrow(/^a\.b(\[0\]|\.a)? must be /);
  for (const value of values) expect(() => checkOne(value, 'a.b')).toThrow(TypeError);
});

test('no message quotes text, which may be a secret', () => {
  const secret = 'correct horse battery';
  for (const one of [
    option.url(),
    option.flag(),
    option.count(),
    option.duration(),
    option.oneOf('a', 'b'),
    option.callable(),
  ]) {
    expect(() => one(secret, 'clientId')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('horse') }),
    );
  }
});

test('an object given with every call is checked once, and its copy is used', () => {
  let checks = 0;
  const once = checkedOnce<Options>((given) => {
    checks += 1;
    return check(given);
  });
  const given = { issuer, optional: true };
  const first = once(given);
  given.optional = false;
  expect(once(given)).toBe(first);
  expect(once(first)).toBe(first);
  expect(checks).toBe(1);
});
