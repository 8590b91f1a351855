import type { Session } from '@rescind/client';
import { attachSession } from '@rescind/client/socket.io';
import { Card, Notice } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';
import { configuration, session } from './session.ts';

type Socket = Parameters<typeof attachSession>[0];

/** What `/game/game.js` of the game exports. */
interface GameModule {
  mountGame(element: HTMLElement, socket: Socket, options: { readonly name: string }): () => void;
}

/** What of `/game/socket.io.js` is used. */
interface SocketModule {
  io(url: string, options: object): Socket;
}

/** Loads the game from its own service, and draws it. @returns what ends it */
async function openGame(
  url: string,
  element: HTMLElement,
  name: string,
  live: Session,
  onEnd: (code: string) => void,
): Promise<() => void> {
  const [{ mountGame }, { io }]: [GameModule, SocketModule] = await Promise.all([
    import(`${url}/game/game.js`),
    import(`${url}/game/socket.io.js`),
  ]);
  const socket = io(url, { path: '/game/socket.io', transports: ['websocket'], autoConnect: false });
  const detach = attachSession(socket, live, ({ code }) => onEnd(code));
  const unmount = mountGame(element, socket, { name: name.slice(0, 20) });
  return () => {
    unmount();
    detach();
  };
}

export function Game({ username }: { readonly username: string | undefined }) {
  const board = useRef<HTMLDivElement>(null);
  const [end, setEnd] = useState<string>();
  useEffect(() => {
    const { gameUrl } = configuration;
    const element = board.current;
    if (gameUrl === undefined || username === undefined || element === null) return;
    const style = document.createElement('link');
    style.rel = 'stylesheet';
    style.href = `${gameUrl}/game/game.css`;
    document.head.append(style);
    let isRemoved = false;
    let close = () => {};
    openGame(gameUrl, element, username, session, setEnd).then(
      (opened) => {
        close = opened;
        if (isRemoved) close();
      },
      () => setEnd('unavailable'),
    );
    return () => {
      isRemoved = true;
      close();
      style.remove();
    };
  }, [username]);
  return (
    <main>
      <div class="title">
        <h1>Four in a row</h1>
        <p>
          A game for two, over a socket that lives as long as your session. Open it in another browser, and log that
          out.
        </p>
      </div>
      {end && <Notice kind="error">{ENDS[end] ?? `The game has ended: ${end}.`}</Notice>}
      <Card title="Tables" class="narrow">
        <div ref={board} />
      </Card>
    </main>
  );
}

const ENDS: Readonly<Record<string, string>> = {
  unavailable: 'The game cannot be reached at the moment.',
  not_allowed: 'Your token does not allow the game.',
};
