import { judge } from '@rescind/revocation/judge';
import { describe, expect, it } from 'vitest';
import { follow } from '../../readers/follow.ts';
import { readVectors } from '../../readers/vector.ts';

const vectors = readVectors();

it('finds the vectors', () => {
  expect(vectors.length).toBeGreaterThan(15);
});

describe.each(vectors)('the vector $name', (vector) => {
  const { view, find } = follow(vector);

  it('is read as its file expects', () => {
    expect(view).toMatchObject(vector.expected);
  });

  it.each(vector.tokens.map((token, index) => ({ ...token, index })))(
    'has its token $index judged as its file expects',
    (token) => {
      const verdict = judge(token, find);
      expect(verdict.denied).toBe(token.denied);
      if (!verdict.denied || token.by === null) return;
      if ('unjudgeable' in token.by)
        expect(verdict).toMatchObject({ reason: 'unjudgeable', claim: token.by.unjudgeable });
      else expect(verdict).toMatchObject({ reason: 'revoked', cutoff: token.by, endsSession: token.endsSession });
    },
  );
});

it('no vector stores a private key', () => {
  for (const { steps } of vectors) expect(JSON.stringify(steps)).not.toMatch(/"(d|p|q|dp|dq|qi|k)":|PRIVATE KEY/);
});
