import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

/**
 * Opens a raw Socket.IO client (protocol 5) for each token, one token a line of standard input after the address. Prints `open` when all are
 * connected, then `closed` with the number of those that received `session_ended`, when all are closed.
 */
const lines: string[] = [];
for await (const line of createInterface(process.stdin)) lines.push(line);
const [url = '', ...tokens] = lines;
const AT_ONCE = 100;
let told = 0;
let closed = 0;

function open(token: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
  socket.on('message', (data) => {
    const text = data.toString();
    if (text.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
    else if (text === '2') socket.send('3');
    else if (text.startsWith('40')) resolve();
    else if (text.startsWith('44')) reject(new Error(text));
    else if (text.includes('session_ended')) told += 1;
  });
  socket.on('error', reject);
  socket.on('close', () => {
    closed += 1;
    if (closed === tokens.length) {
      process.stdout.write(`closed ${told}\n`);
      process.exit(0);
    }
  });
  return promise;
}

for (let at = 0; at < tokens.length; at += AT_ONCE) await Promise.all(tokens.slice(at, at + AT_ONCE).map(open));
process.stdout.write('open\n');
