import { ownTurn } from '@rescind/feed';
import { expect, it, onTestFinished } from 'vitest';

it('continues each caller in a turn of the event loop of its own, in order', async () => {
  let turn = 0;
  let counting: NodeJS.Immediate;
  const count = () => {
    turn += 1;
    counting = setImmediate(count);
  };
  count();
  onTestFinished(() => clearImmediate(counting));
  const turns = await Promise.all([1, 2, 3].map(() => ownTurn().then(() => turn)));
  expect(new Set(turns).size).toBe(3);
  expect(turns).toEqual(turns.toSorted((a, b) => a - b));
});
