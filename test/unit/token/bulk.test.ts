import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { promisify } from 'node:util';
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

it('answers in order, for several batches and keys', async () => {
  await using bulk = openBulkVerifier({ ...options, telemetry: silentTelemetry });
  const batch = (from: number) =>
    Array.from({ length: 20 }, (_, at) => {
      const key = at % 2 === 0 ? rsa : ec;
      return signedToken(goodHeader(key), { ...goodClaims(), at: from + at }, key);
    });
  const answers = await Promise.all([0, 20, 40].map((from) => bulk.verifyAll(batch(from), AT)));
  const seen = answers.flat().map((answer) => ('payload' in answer ? answer.payload.at : answer));
  expect(seen).toEqual(Array.from({ length: 60 }, (_, at) => at));
  expect(await bulk.verifyAll([], AT)).toEqual([]);
});

it('starts another thread after one was closed', async () => {
  const lines: string[] = [];
  const telemetry: Telemetry = { ...silentTelemetry, log: (_level, event) => void lines.push(event) };
  await using bulk = openBulkVerifier({ ...options, telemetry });
  for (let time = 0; time < 2; time += 1) {
    expect(await bulk.verifyAll([signedToken()], AT)).toMatchObject([{ payload: { jti: 'token-1' } }]);
    await bulk.close();
  }
  expect(lines).toEqual([]);
});

it('receives only the messages of its thread', async () => {
  const code = `import('@rescind/token').then(() => {
    const { parentPort } = require('node:worker_threads');
    parentPort.postMessage(parentPort.listenerCount('message'));
  })`;
  const worker = new Worker(code, { eval: true });
  expect(await once(worker, 'message')).toEqual([0]);
  await worker.terminate();
});

it.runIf(process.platform === 'linux')('verifies in threads of no higher priority than the process', async () => {
  // Without --input-type: a thread refuses this option of its process.
  const script = `
    const { createPublicKey } = require('node:crypto');
    const { readdirSync, readFileSync } = require('node:fs');
    const nicenessOf = (task) => Number(readFileSync('/proc/self/task/' + task + '/stat', 'utf8').split(') ').at(-1).split(' ')[16]);
    const [jwk, good] = JSON.parse(process.argv[1]);
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const told = [];
    const telemetry = { count() {}, gauge() {}, observe() {}, log: (level, event) => told.push(event) };
    import('@rescind/token').then(async ({ openBulkVerifier }) => {
      const bulk = openBulkVerifier({ issuer: 'https://issuer.example', audience: 'prices', typ: ['at+jwt'], telemetry, keys: { find: () => key } });
      await bulk.verifyAll([good], ${AT});
      console.log(JSON.stringify({ told, nicenesses: [...new Set(readdirSync('/proc/self/task').map(nicenessOf))] }));
      await bulk.close();
    });`;
  const text = JSON.stringify([rsa.publicKey.export({ format: 'jwk' }), signedToken()]);
  const { stdout } = await promisify(execFile)('nice', ['-n', '15', process.execPath, '-e', script, text]);
  expect(JSON.parse(stdout)).toEqual({ told: [], nicenesses: [Math.min(19, getPriority() + 15)] });
});

it('answers each token of a batch whose other texts have characters beyond ASCII', async () => {
  await using bulk = openBulkVerifier({ ...options, maxBytes: 65_536, telemetry: silentTelemetry });
  const [header = ''] = signedToken().split('.');
  const wide = `${header}.${'€'.repeat(60_000)}.${'€'.repeat(40)}`;
  const answers = await bulk.verifyAll([...Array.from({ length: 12 }, () => wide), signedToken()], AT);
  expect(answers.map((answer) => ('code' in answer ? answer.code : 'accepted'))).toEqual([
    ...Array.from({ length: 12 }, () => 'token_malformed'),
    'accepted',
  ]);
});

it('refuses characters whose lowest byte is that of an accepted one', async () => {
  await using bulk = openBulkVerifier({ ...options, telemetry: silentTelemetry });
  const token = signedToken();
  const at = token.indexOf('.') + 5;
  const alias = String.fromCharCode(token.charCodeAt(at) + 256);
  const end = token.length - 3;
  const texts = [
    token,
    token.slice(0, at) + alias + token.slice(at + 1),
    token.slice(0, end) + String.fromCharCode(token.charCodeAt(end) + 256) + token.slice(end + 1),
    `${token}.`,
    `${token}=`,
  ];
  const answers = await bulk.verifyAll(texts, AT);
  expect(answers.map((answer) => ('code' in answer ? answer.code : 'accepted'))).toEqual([
    'accepted',
    ...['token_malformed', 'token_malformed', 'token_malformed', 'token_malformed'],
  ]);
});

it('verifies in the calling thread when no thread can be started, and logs it once', async () => {
  const script = `
    const { createPublicKey } = require('node:crypto');
    const [jwk, good, bad] = JSON.parse(process.argv[1]);
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const told = [];
    const telemetry = { count: (metric) => told.push(metric), gauge() {}, observe() {}, log: (level, event) => told.push(event) };
    import('@rescind/token').then(async ({ openBulkVerifier }) => {
      const bulk = openBulkVerifier({ issuer: 'https://issuer.example', audience: 'prices', typ: ['at+jwt'], telemetry, keys: { find: () => key } });
      const answers = [...await bulk.verifyAll([good, bad], ${AT}), ...await bulk.verifyAll([good], ${AT})];
      console.log(JSON.stringify({ told, answers: answers.map((one) => one.code ?? 'accepted') }));
      await bulk.close();
    });`;
  const jwk = rsa.publicKey.export({ format: 'jwk' });
  const bad = signedToken().split('.').with(2, 'A'.repeat(342)).join('.');
  // Without --input-type: a thread refuses this option of its process.
  const run = async (...flags: string[]) => {
    const parameters = [...flags, '-e', script, JSON.stringify([jwk, signedToken(), bad])];
    return JSON.parse((await promisify(execFile)(process.execPath, parameters)).stdout);
  };
  const answers = ['accepted', 'token_signature_wrong', 'accepted'];
  const told = ['rescind_signature_thread_failures_total', 'signature_thread_failed'];
  expect(await run('--permission', '--allow-fs-read=*')).toEqual({ told, answers });
  expect(await run()).toEqual({ told: [], answers });
});

it('returns what the reader made of a verified token, and parses a token here that the reader does not read', async () => {
  const module = `data:text/javascript,export const createReader = ({ prefix }) => ({ payload }) => {
    if (payload.jti === 'throws') throw new Error('cannot be read');
    return payload.jti === 'unread' ? undefined : prefix + payload.jti;
  };`;
  const reader = { module, settings: { prefix: 'read: ' } };
  await using bulk = openBulkVerifier({ ...options, reader, telemetry: silentTelemetry });
  const ofId = (jti: string) => signedToken(goodHeader(), { ...goodClaims(), jti });
  const tampered = `${ofId('tampered').split('.', 2).join('.')}.${ofId('good').split('.')[2]}`;
  const texts = [ofId('good'), ofId('unread'), ofId('throws'), tampered, 'malformed'];
  expect(await bulk.verifyAll(texts, AT)).toMatchObject([
    { reading: 'read: good' },
    { payload: { jti: 'unread' } },
    { payload: { jti: 'throws' } },
    { code: 'token_signature_wrong' },
    { code: 'token_malformed' },
  ]);
  // The claims are checked before they are read.
  expect(await bulk.verifyAll([ofId('good')], AT + 24 * 3_600_000)).toMatchObject([{ code: 'token_expired' }]);
});

it('verifies in the calling thread when the module of the reader cannot be loaded', async () => {
  const lines: string[] = [];
  const telemetry: Telemetry = { ...silentTelemetry, log: (_level, event) => void lines.push(event) };
  const reader = { module: 'data:text/javascript,throw new Error()', settings: {} };
  await using bulk = openBulkVerifier({ ...options, reader, telemetry });
  expect(await bulk.verifyAll([signedToken()], AT)).toMatchObject([{ payload: { jti: 'token-1' } }]);
  expect(lines).toEqual(['signature_thread_failed']);
});

it('throws a TypeError for an invalid time', async () => {
  await using bulk = openBulkVerifier({ ...options, telemetry: silentTelemetry });
  await expect(bulk.verifyAll([signedToken()], Number.NaN)).rejects.toThrow(TypeError);
});
