import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import { openBulkVerifier } from '@rescind/token';
import { expect, it } from 'vitest';
import { AT, ec, goodClaims, goodHeader, rsa, signedToken } from './raw-tokens.ts';

const options = {
  issuer: 'https://issuer.example',
  audience: 'prices',
  typ: ['at+jwt'],
  keys: { find: (kid: string) => [rsa, ec].find((key) => key.kid === kid)?.publicKey },
};

it('answers in order, batch after batch, whichever key', async () => {
  await using bulk = openBulkVerifier({ ...options, telemetry: silentTelemetry });
  const batch = (from: number) =>
    Array.from({ length: 20 }, (_, at) => {
      const key = at % 2 === 0 ? rsa : ec;
      return signedToken(goodHeader(key), { ...goodClaims(), at: from + at }, key);
    });
  const answers = await Promise.all([0, 20, 40].map((from) => bulk.verifyAll(batch(from), AT)));
  const seen = answers.flat().map((answer) => ('payload' in answer ? answer.payload.at : answer.code));
  expect(seen).toEqual(Array.from({ length: 60 }, (_, at) => at));
  expect(await bulk.verifyAll([], AT)).toEqual([]);
});

it('goes on after its thread was closed, with another', async () => {
  const lines: string[] = [];
  const telemetry: Telemetry = { ...silentTelemetry, log: (_level, event) => void lines.push(event) };
  await using bulk = openBulkVerifier({ ...options, telemetry });
  for (let time = 0; time < 2; time += 1) {
    expect(await bulk.verifyAll([signedToken()], AT)).toMatchObject([{ payload: { jti: 'token-1' } }]);
    await bulk.close();
  }
  expect(lines).toEqual([]);
});

it('listens to no messages but those of its own thread', async () => {
  const code = `import('@rescind/token').then(() => {
    const { parentPort } = require('node:worker_threads');
    parentPort.postMessage(parentPort.listenerCount('message'));
  })`;
  const worker = new Worker(code, { eval: true });
  expect(await once(worker, 'message')).toEqual([0]);
  await worker.terminate();
});

it('tells a time that is none', async () => {
  await using bulk = openBulkVerifier({ ...options, telemetry: silentTelemetry });
  await expect(bulk.verifyAll([signedToken()], Number.NaN)).rejects.toThrow(TypeError);
});
