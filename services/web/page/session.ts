import type { SessionEnd, SessionSnapshot } from '@rescind/client';
import { createSession } from '@rescind/client';
import { indexedDbStore } from '@rescind/client/indexeddb';
import { useEffect, useState } from 'preact/hooks';
import type { PageConfiguration } from '../src/app.ts';

export const configuration: PageConfiguration = JSON.parse(document.documentElement.dataset.configuration ?? '{}');

const [defaultMode = 'cookie'] = configuration.modes;
const asked = new URLSearchParams(location.search).get('mode') ?? defaultMode;

/** Where the refresh token is: the mode of the address, if the service offers it. */
export const mode = (configuration.modes.includes(asked) ? asked : defaultMode) === 'body' ? 'body' : 'cookie';
export const isDefaultMode = mode === defaultMode;

const { issuer, clientId, accountAudience, pricesUrl, gameUrl } = configuration;

export const session = createSession({
  issuer,
  clientId,
  accountAudience,
  mode,
  // Each mode has a session of its own.
  storage: indexedDbStore(`rescind ${mode}`),
  apis: [pricesUrl, gameUrl].flatMap((url) => (url === undefined ? [] : [new URL(url).origin])),
});

/** The session as it is now; the component is rendered again when it changes. */
export function useSession(): SessionSnapshot {
  const [snapshot, setSnapshot] = useState(session.getSnapshot);
  useEffect(() => {
    setSnapshot(session.getSnapshot());
    return session.subscribe(() => setSnapshot(session.getSnapshot()));
  }, []);
  return snapshot;
}

let leaving: Promise<unknown> | undefined;

/** Logs out. The page shows the login at once; `whenLoggedOut` is when that is stored, and the server knows or could not be reached. */
export async function logOut(): Promise<void> {
  leaving = session.logout();
  await leaving;
}

export const whenLoggedOut = async (): Promise<void> => void (await leaving);

let lastEnd: SessionEnd | undefined;
session.onSessionEnd((end) => {
  lastEnd = end;
});

/** How the last session of this tab ended; undefined: none has. */
export const howItEnded = (): SessionEnd | undefined => lastEnd;
