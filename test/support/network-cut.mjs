// Loaded into a service with NODE_OPTIONS=--import: while the file NETWORK_CUT_FILE exists, the connections that it has made
// break and new ones fail. Connections from other processes to it continue.
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';

const file = process.env.NETWORK_CUT_FILE;
delete process.env.NETWORK_CUT_FILE;
const sockets = new Set();
const { connect } = Socket.prototype;
const error = () => Object.assign(new Error('connect ENETUNREACH'), { code: 'ENETUNREACH' });

Socket.prototype.connect = function (...parameters) {
  if (existsSync(file)) {
    process.nextTick(() => this.destroy(error()));
    return this;
  }
  sockets.add(this);
  this.once('close', () => sockets.delete(this));
  return connect.apply(this, parameters);
};

setInterval(() => {
  if (existsSync(file)) for (const socket of sockets) socket.destroy(error());
}, 20).unref();
