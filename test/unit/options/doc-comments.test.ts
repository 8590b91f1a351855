import { expect, test } from 'vitest';
import { documentedNames } from './public-functions.ts';

const documented = documentedNames();
const names = (of: typeof documented) => of.map(({ name, file }) => `${name} (${file})`).sort();

/** The unit at the end of a name. */
const UNIT_OF_NAME = /(Ms|Seconds|Bytes|Mb)$/;
const UNIT = /\b(ms|milliseconds|seconds|bytes|MB|how (many|often)|(the )?(number|count|most|greatest) )/i;
const DEFAULT = /\b(defaults?|absent|without (it|one)|undefined)\b/i;

test('the compiler finds the names of the public packages, with the members of their options', () => {
  expect(documented.length).toBeGreaterThan(300);
  expect(documented.filter(({ isOption }) => isOption).length).toBeGreaterThan(100);
});

test('each name that a public package exports has a doc comment', () => {
  expect(names(documented.filter(({ comment, isOption }) => !isOption && comment.trim() === ''))).toEqual([]);
});

test('each member of exported options has a doc comment', () => {
  expect(names(documented.filter(({ comment, isOption }) => isOption && comment.trim() === ''))).toEqual([]);
});

test('the doc comment of an option that is a number states the unit, unless its name does', () => {
  const numbers = documented.filter(({ isOption, isNumber }) => isOption && isNumber);
  expect(names(numbers.filter(({ name, comment }) => !UNIT_OF_NAME.test(name) && !UNIT.test(comment)))).toEqual([]);
});

test('the doc comment of an optional option states what holds without it', () => {
  // Options of test kits are those of the real function, all optional.
  const optional = documented.filter(
    ({ name, isOption, isOptional }) => isOption && isOptional && !name.startsWith('Test'),
  );
  expect(names(optional.filter(({ comment }) => comment.trim() !== '' && !DEFAULT.test(comment)))).toEqual([]);
});
