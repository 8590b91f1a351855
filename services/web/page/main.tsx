import { Notice } from '@rescind/dev-page';
import { render } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import type { Path } from '../src/paths.ts';
import type { Account } from './account.ts';
import { account } from './account.ts';
import { Devices } from './devices.tsx';
import { Enter } from './enter.tsx';
import { Game } from './game.tsx';
import { Overview, useEvents } from './overview.tsx';
import { usePrices } from './prices.tsx';
import { Link, navigate, usePath } from './router.tsx';
import { Security } from './security.tsx';
import { configuration, logOut, useSession } from './session.ts';
import { StepUp } from './step-up.tsx';

const SECTIONS: readonly (readonly [Path, string])[] = [
  ['/', 'Overview'],
  ['/devices', 'Devices'],
  ['/security', 'Security'],
  ...(configuration.gameUrl === undefined ? [] : [['/game', 'Game'] as const]),
];

function App() {
  const snapshot = useSession();
  const path = usePath();
  const { status, sid, problem } = snapshot;
  const isLoggedIn = status === 'active' || status === 'waiting';
  const prices = usePrices(isLoggedIn);
  const events = useEvents(snapshot);
  const [username, setUsername] = useState<string>();
  const isEntering = path === '/login' || path === '/register';

  // Before the browser draws: a page at an address that is not its own would be in the history.
  useLayoutEffect(() => {
    if (isLoggedIn && isEntering) navigate('/');
    if (!isLoggedIn && status !== 'loading' && !isEntering) navigate('/login');
  }, [isLoggedIn, status, isEntering]);
  useEffect(() => {
    setUsername(undefined);
    if (isLoggedIn)
      account<Account>('GET', '/account').then(
        (owner) => setUsername(owner.username),
        () => undefined,
      );
  }, [sid]);

  if (status === 'loading') return <p class="loading">One moment …</p>;
  if (!isLoggedIn) return <Enter key={path} isNew={path === '/register'} />;
  return (
    <>
      <header class="top">
        <img src="/assets/icon.svg" alt="Rescind" width="28" height="28" />
        <nav aria-label="Sections">
          {SECTIONS.map(([to, name]) => (
            <Link key={to} to={to} isCurrent={to === path}>
              {name}
            </Link>
          ))}
        </nav>
        <button type="button" onClick={() => void logOut()}>
          Log out
        </button>
      </header>
      {status === 'waiting' && (
        <div class="banner">
          <Notice kind="info">{WAITING[problem ?? ''] ?? 'Connecting to the server …'} You stay logged in.</Notice>
        </div>
      )}
      {path === '/devices' ? (
        <Devices />
      ) : path === '/security' ? (
        <Security />
      ) : path === '/game' ? (
        <Game username={username} />
      ) : (
        <Overview snapshot={snapshot} username={username} prices={prices} events={events} />
      )}
      <StepUp />
    </>
  );
}

const WAITING: Readonly<Record<string, string>> = {
  offline: 'There is no connection to the server.',
  unavailable: 'The server does not respond at the moment.',
  wrong_setup: 'The server refuses this application as it is configured.',
};

const root = document.getElementById('page');
if (root) render(<App />, root);
