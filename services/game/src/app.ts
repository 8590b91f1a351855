import { readFileSync } from 'node:fs';
import type { Express } from 'express';
import express from 'express';

/** Where the game is, for pages, sockets and proxies. */
const GAME_PATH = '/game';
export const SOCKET_PATH = `${GAME_PATH}/socket.io`;

const page = (name: string) => readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8');
/** Socket.IO exports no path of this file. */
const client = () =>
  readFileSync(new URL('./client-dist/socket.io.esm.min.js', import.meta.resolve('socket.io/package.json')), 'utf8');

/** The part for pages: `game.js` and its style, and the client of Socket.IO as a module. */
export function createApp(): Express {
  const app = express();
  const files = {
    [`${GAME_PATH}/game.js`]: ['text/javascript', page('game.mjs')],
    [`${GAME_PATH}/game.css`]: ['text/css', page('game.css')],
    [`${GAME_PATH}/socket.io.js`]: ['text/javascript', client()],
  } as const;
  for (const [path, [type, body]] of Object.entries(files)) {
    app.get(path, (_request, response) => {
      // A page of another origin may import it; it has no data of users.
      response
        .set({ 'Cache-Control': 'no-cache', 'Cross-Origin-Resource-Policy': 'cross-origin' })
        .type(type)
        .send(body);
    });
  }
  return app;
}
