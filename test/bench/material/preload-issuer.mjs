// Loaded into an issuer with NODE_OPTIONS=--import. With KAFKA_LATE_PORTS (a list) and KAFKA_LATE_MS, everything that it sends
// to these ports is delayed by so many ms: its publications reach the broker and the readers later, and so does the
// acknowledgement. On SIGUSR2 it collects garbage, and logs `garbage_collected`.
import { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const ports = new Set((process.env.KAFKA_LATE_PORTS ?? '').split(',').map(Number));
const lateMs = Number(process.env.KAFKA_LATE_MS);
delete process.env.KAFKA_LATE_PORTS;
delete process.env.KAFKA_LATE_MS;

const late = new WeakSet();
const { connect, write } = Socket.prototype;

Socket.prototype.connect = function (...parameters) {
  const [first] = parameters.flat();
  if (ports.has(Number(first?.port ?? first))) late.add(this);
  return connect.apply(this, parameters);
};

Socket.prototype.write = function (...parameters) {
  if (!late.has(this)) return write.apply(this, parameters);
  // Timers of the same length end in the order in which they began.
  setTimeout(() => this.destroyed || write.apply(this, parameters), lateMs);
  return true;
};

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
process.on('SIGUSR2', () => {
  // What a first collection finalizes, a second one frees.
  for (let turn = 0; turn < 2; turn += 1) collectGarbage();
  process.stdout.write(`${JSON.stringify({ event: 'garbage_collected' })}\n`);
});
