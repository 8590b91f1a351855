import { expect, it } from 'vitest';
import { repeated } from '../../chaos/topic.ts';

/** Work that fails so many times before it succeeds. */
function failing(times: number): () => Promise<string> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls <= times) throw new Error(`failure ${calls}`);
    return `success in call ${calls}`;
  };
}

it('repeats a read of the driver that fails, and logs each failure', async () => {
  const lines: string[] = [];
  expect(await repeated(3, failing(2), (line) => lines.push(line))).toBe('success in call 3');
  expect(lines).toEqual(['attempt 1 of 3 failed: Error: failure 1', 'attempt 2 of 3 failed: Error: failure 2']);
});

it('throws the last failure when no attempt succeeds', async () => {
  await expect(repeated(3, failing(3), () => undefined)).rejects.toThrow('failure 3');
});
