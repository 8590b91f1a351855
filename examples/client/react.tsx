// A hook of React, and a component that uses it.
import type { Session, SessionSnapshot } from '@rescind/client';
import { useSyncExternalStore } from 'react';

export function useSession(session: Session): SessionSnapshot {
  return useSyncExternalStore(session.subscribe, session.getSnapshot, session.getServerSnapshot);
}

export function Greeting({ session }: { readonly session: Session }) {
  const { status, claims, endedBy } = useSession(session);
  if (status === 'loading') return <p>One moment …</p>;
  if (status === 'waiting') return <p>Connecting …</p>;
  if (status !== 'active') return <p>Log in{endedBy ? ` (${endedBy})` : ''}</p>;
  return (
    <p>
      Hello {String(claims.sub)}, {String(claims.role)}
    </p>
  );
}
