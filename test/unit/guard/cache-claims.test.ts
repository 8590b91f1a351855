import { openTestKit } from '@rescind/guard/testing';
import { expect, it, onTestFinished } from 'vitest';

function open() {
  const kit = openTestKit();
  onTestFinished(() => kit.close());
  const isAccepted = (token: string) => kit.guard.decide(token).accepted;
  return { kit, isAccepted };
}

it.each([
  ['a number', { level: 7 }, 'level', '7'],
  ['a boolean', { staff: true }, 'staff', 'true'],
  ['an element that is a number', { ids: [3, 7] }, 'ids', '7'],
  ['an element that is a boolean', { flags: ['x', false] }, 'flags', 'false'],
])('a token in the cache is found by a cut-off about %s', (_, claims, claim, value) => {
  const { kit, isAccepted } = open();
  // The claim has an earlier cut-off, so that tokens have a slot of it, and the test depends on the value.
  kit.revoke({ claim, value: 'another' });
  const token = kit.token(claims);
  const other = kit.token();
  expect([token, token, other, other].map(isAccepted)).toEqual([true, true, true, true]);
  kit.revoke({ claim, value: 'a third' });
  expect(isAccepted(token)).toBe(true);
  kit.revoke({ claim, value });
  expect([token, other].map(isAccepted)).toEqual([false, true]);
});

it('treats another text with the same end as another token', () => {
  const { kit, isAccepted } = open();
  const token = kit.token();
  expect(isAccepted(token)).toBe(true);
  for (const at of [0, 5, token.indexOf('.') + 3, token.length - 20]) {
    const char = token[at] === 'A' ? 'B' : 'A';
    expect(isAccepted(token.slice(0, at) + char + token.slice(at + 1))).toBe(false);
  }
  expect(isAccepted(token)).toBe(true);
});
