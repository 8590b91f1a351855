// Loaded into a service with NODE_OPTIONS=--import=<this>?links=<file>&clock=<file>. Its outgoing connections to a port that the
// first file names ({ "<port>": <port of a proxy> }) go to the proxy. Its wall clock is ahead of the machine's by the milliseconds of
// the second file; the monotonic clock is unchanged. By the query, worker threads load it as the main thread does.
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';

const files = new URL(import.meta.url).searchParams;
const links = JSON.parse(readFileSync(files.get('links'), 'utf8'));
const { connect } = Socket.prototype;

Socket.prototype.connect = function (...parameters) {
  // `net.connect` passes an array of options and callback.
  const list = Array.isArray(parameters[0]) ? parameters[0] : parameters;
  const [options] = list;
  const port = typeof options === 'object' && options !== null ? links[options.port] : undefined;
  if (port !== undefined) list[0] = { ...options, port };
  return connect.apply(this, parameters);
};

const clock = files.get('clock');
const machine = Date.now;
let offset = 0;
let readAt = 0;
Date.now = () => {
  const now = machine();
  // The file is read at most once in 20 ms: processes read the clock often.
  if (Math.abs(now - readAt) > 20) {
    readAt = now;
    try {
      offset = Number(readFileSync(clock, 'utf8')) || 0;
    } catch {
      offset = 0;
    }
  }
  return now + offset;
};
