import type { Server as HttpServer } from 'node:http';
import { httpTransport } from '@rescind/feed';
import { createGuard } from '@rescind/guard';
import { guardSockets } from '@rescind/guard/socket.io';
import type { Service } from '@rescind/service';
import { openGuarded, packageVersion } from '@rescind/service';
import { configuredHttpTransport, configuredKafkaTransport } from '@rescind/service/configuration';
import express from 'express';
import { Server } from 'socket.io';
import { createApp, SOCKET_PATH } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';
import { createPlay } from './play.ts';

/** In the order of preference. */
const transports = [
  configuredKafkaTransport(() => import('@rescind/feed-kafka')),
  configuredHttpTransport(httpTransport),
];

/** Each message may go to everybody at a table: nobody plays faster. */
const MESSAGES_PER_SECOND = 10;

/** Four in a row over guarded sockets. */
export const game: Service<Configuration> = {
  name: 'game',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  metrics: ['guard'],
  configure: readSettings,
  async open(context) {
    const { configuration, telemetry, keep } = context;
    const {
      CORS_ORIGINS: origins = [],
      LINK_PEERS: peers = [],
      LINK_SELF: self = '',
      LINK_SECRET: secret = '',
    } = configuration;
    const io = new Server({ path: SOCKET_PATH, serveClient: false, transports: ['websocket'] });
    const play = createPlay(io, { peers, self, secret }, telemetry);
    keep({
      async [Symbol.asyncDispose]() {
        play.close();
      },
    });
    let guarded: ReturnType<typeof guardSockets> | undefined;
    let attach: ((server: HttpServer) => void) | undefined;
    const parts = await openGuarded(context, {
      transports,
      createGuard,
      createApp(guard) {
        attach = (server) => {
          io.attach(server);
          guarded = guardSockets(io, guard, { origins, maxMessagesPerSecond: MESSAGES_PER_SECOND });
        };
        return createApp();
      },
    });
    const { LINK_PORT: port, LINK_HOST: host, MAX_CONNECTIONS: total } = configuration;
    const links = play.lobby.server;
    const limits = { total, perAddress: total };
    return {
      ...parts,
      attach,
      listeners:
        links === undefined ? [] : [{ name: 'link', app: express(), limits, port, host, attach: links.attach }],
      endStreams() {
        guarded?.close();
        links?.close();
      },
    };
  },
};
