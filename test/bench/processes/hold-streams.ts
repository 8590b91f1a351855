import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, get } from 'node:http';
import { createInterface } from 'node:readline';

/**
 * Opens standby streams of an issuer and holds them. Prints `open` when all are; then, for each line it gets, how many
 * heartbeats have come by all of them. Ends with its input, and with status 1 when a stream does not open, or ends.
 */
const [url = '', client = '', secretFile = '', count = ''] = process.argv.slice(2);
/** Requests under way while they are opened. */
const AT_ONCE = 50;
const HEARTBEAT = 'event: heartbeat';
const headers = {
  authorization: `Basic ${Buffer.from(`${client}:${readFileSync(secretFile, 'utf8').trim()}`).toString('base64')}`,
};
const agent = new Agent({ keepAlive: true });
let heartbeats = 0;

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

async function open(): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/revocations?quiet`, { agent, headers }, resolve).on('error', reject);
  });
  if (response.statusCode !== 200 || response.headers['rescind-stream'] !== 'quiet') {
    fail(`a standby stream is answered ${response.statusCode}`);
  }
  response
    .setEncoding('utf8')
    .on('data', (text: string) => {
      heartbeats += text.split(HEARTBEAT).length - 1;
    })
    .on('close', () => fail('a standby stream ended'));
}

let missing = Number(count);
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (; missing > 0; ) {
      missing -= 1;
      await open();
    }
  }),
);
process.stdout.write('open\n');
createInterface(process.stdin)
  .on('line', () => void process.stdout.write(`${heartbeats}\n`))
  .on('close', () => process.exit());
