import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * Serves on a free port of 127.0.0.1, as `startLoadedServer` expects: prints the port; on a line of input the CPU that the process has used
 * so far, in µs; ends with its input.
 */
export async function serveMeasured(listener: RequestListener): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  createInterface(process.stdin)
    .on('line', () => {
      const { user, system } = process.cpuUsage();
      process.stdout.write(`${user + system}\n`);
    })
    // Exits although it has open connections: the measurement has ended.
    .on('close', () => process.exit());
}
