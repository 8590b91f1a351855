import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';

/**
 * Asks a server again and again, one request after the other with a pause between, and measures each. A line on its input
 * ends a stretch, of which it prints the latencies in ms.
 */
const [url = '', token = ''] = process.argv.slice(2);
const PAUSE_MS = 3;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let latencies: number[] = [];
let over = false;

function ask(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  request(url, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
    response.resume().on('end', resolve);
  })
    .on('error', reject)
    .end();
  return promise;
}

createInterface(process.stdin)
  .on('line', () => {
    process.stdout.write(`${JSON.stringify(latencies)}\n`);
    latencies = [];
  })
  .on('close', () => {
    over = true;
  });

while (!over) {
  const start = performance.now();
  await ask();
  latencies.push(performance.now() - start);
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
agent.destroy();
