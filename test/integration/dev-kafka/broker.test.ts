import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBroker } from '@rescind/dev-kafka';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { waitFor } from '../../support/wait.ts';

const MAIN = 'packages/dev-kafka/src/main.js';

function listens(address: string | undefined): Promise<boolean> {
  const [host = '', port] = (address ?? '').split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });
}

const directories = () => readdirSync(tmpdir()).filter((name) => name.startsWith('rescind-kafka-'));

test('keeps its addresses and data after it is killed and started again', async () => {
  await using broker = await openBroker({ prefer: 'java' });
  expect(broker.kind).toBe('java');
  const topic = testTopic(broker.brokers);
  await topic.create();
  await topic.write('one', 'two');
  const { brokers } = broker;

  await broker.stop();
  expect(await listens(brokers[0])).toBe(false);
  await broker.start();
  expect(broker.brokers).toEqual(brokers);
  expect(await testTopic(brokers, topic.name).end()).toBe(2);
  await broker.stop();
  await broker.close();
  await broker.close();
});

test('creates no topic automatically', async () => {
  await using broker = await openBroker({ prefer: 'java' });
  const topic = testTopic(broker.brokers);
  await expect(topic.write('one')).rejects.toThrow();
});

test('uses the Kafka of KAFKA_BROKERS, and refuses to stop it', async () => {
  const environment = { kafkaBrokers: ' kafka-1:9092, kafka-2:9092,', cacheDirectory: temporaryDirectory() };
  await using broker = await openBroker({ environment });
  expect(broker).toMatchObject({ kind: 'given', brokers: ['kafka-1:9092', 'kafka-2:9092'] });
  await expect(broker.stop()).rejects.toThrow('KAFKA_BROKERS');
});

test('removes the broker and its data after its process is killed', async () => {
  const before = new Set(directories());
  const main = spawn(process.execPath, [MAIN, '--prefer', 'java'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  main.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const address = await waitFor(
    'the broker has printed its address',
    () => /KAFKA_BROKERS=(\S+)/.exec(output)?.[1],
    50_000,
  );
  expect(await listens(address)).toBe(true);
  const made = directories().filter((name) => !before.has(name));
  main.kill('SIGKILL');
  await waitFor('the broker has ended', async () => !(await listens(address)), 30_000);
  await waitFor('a directory is removed', () => made.some((name) => !existsSync(join(tmpdir(), name))), 30_000);
});

test('ends on Ctrl-C', async () => {
  const main = spawn(process.execPath, [MAIN, '--prefer', 'java'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { promise: ended, resolve } = Promise.withResolvers<number | null>();
  main.once('exit', resolve);
  let output = '';
  main.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const address = await waitFor(
    'the broker has printed its address',
    () => /KAFKA_BROKERS=(\S+)/.exec(output)?.[1],
    50_000,
  );
  main.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(await listens(address)).toBe(false);
});

test('names the missing software when no Kafka can be run', async () => {
  // Without Docker, Java and Maven on the path; a cache without jars.
  const directory = temporaryDirectory();
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const script = join(directory, 'main.ts');
  writeFileSync(
    script,
    `import { openBroker } from '${join(process.cwd(), 'packages/dev-kafka/src/index.ts')}';
     await openBroker({ prefer: 'java', environment: { kafkaBrokers: undefined, cacheDirectory: '${directory}' } });`,
  );
  const child = spawn(process.execPath, [script], { env: { PATH: bin }, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(output).toContain('Install Docker, or Java 17 or newer and Maven, or set KAFKA_BROKERS');
  expect(output).toContain('there is no `java`');
});
