import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const ATTEMPT_MS = 1_000;
const PAUSE_MS = 50;

/**
 * Waits until a broker at `address` answers a metadata request and names at least `count` brokers: only then are
 * topics made and led. `check` throws when waiting has become pointless.
 */
export async function waitForMetadata(
  address: string,
  count: number,
  deadlineMs: number,
  check: () => void,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  while (performance.now() < end) {
    check();
    try {
      if ((await askBrokerCount(address)) >= count) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(PAUSE_MS);
  }
  throw new Error(`no Kafka with ${count} broker(s) answered at ${address} within ${deadlineMs} ms`, { cause: last });
}

/** Metadata request, version 1, of no topic: the answer begins with the brokers that are alive. */
function metadataRequest(): Buffer {
  const client = Buffer.from('rescind-dev-kafka');
  const request = Buffer.alloc(4 + 10 + client.length + 4);
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(3, 4); // api key: Metadata
  request.writeInt16BE(1, 6); // version
  request.writeInt32BE(1, 8); // correlation id
  request.writeInt16BE(client.length, 12);
  client.copy(request, 14);
  request.writeInt32BE(0, 14 + client.length); // no topics
  return request;
}

function askBrokerCount(address: string): Promise<number> {
  const separator = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, separator), port: Number(address.slice(separator + 1)) });
  return new Promise<number>((resolve, reject) => {
    let answer = Buffer.alloc(0);
    socket.setTimeout(ATTEMPT_MS, () => reject(new Error('no answer')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once('connect', () => socket.write(metadataRequest()));
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      // Size, correlation id, then the number of brokers.
      if (answer.length >= 12) resolve(answer.readInt32BE(8));
    });
  }).finally(() => socket.destroy());
}
