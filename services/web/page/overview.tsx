import type { SessionSnapshot } from '@rescind/client';
import { Card } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useNow } from './hooks.ts';
import type { Prices } from './prices.tsx';
import { PricesCard } from './prices.tsx';
import { mode } from './session.ts';

interface OverviewProps {
  readonly snapshot: SessionSnapshot;
  readonly username: string | undefined;
  readonly prices: Prices | undefined;
  readonly events: readonly SessionEvent[];
}

export function Overview({ snapshot, username, prices, events }: OverviewProps) {
  return (
    <main>
      <div class="title">
        <h1>Hello{username ? `, ${username}` : ''}</h1>
        <Lifetime claims={snapshot.claims} />
      </div>
      <div class="columns">
        <ClaimsCard claims={snapshot.claims} />
        <div class="stack">
          <PricesCard prices={prices} />
          <EventsCard events={events} />
        </div>
      </div>
    </main>
  );
}

type Claims = SessionSnapshot['claims'];

/** How long the access token lives, counted from its arrival: the clock of this device may be wrong. */
function Lifetime({ claims }: { readonly claims: Claims }) {
  const now = useNow();
  const token = useRef({ jti: claims.jti, since: now });
  if (token.current.jti !== claims.jti) token.current = { jti: claims.jti, since: now };
  const seconds = Number(claims.exp) - Number(claims.iat) - Math.floor((now - token.current.since) / 1_000);
  const text = seconds > 0 ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}` : 'any moment';
  return (
    <p class="lifetime">
      The access token expires in <strong>{text}</strong>; it is renewed before. The refresh token is in{' '}
      {mode === 'cookie' ? 'a cookie' : 'the page'}.
    </p>
  );
}

const MEANINGS: readonly (readonly [claim: string, meaning: string])[] = [
  ['sub', 'Who you are'],
  ['roles', 'Your roles'],
  ['scope', 'What it allows'],
  ['aud', 'Who accepts it'],
  ['phone_number', 'Your phone'],
  ['amr', 'How you logged in'],
  ['acr', 'How strong that is'],
  ['auth_time', 'When you logged in'],
  ['sid', 'This session'],
  ['client_id', 'This application'],
  ['iss', 'Who says so'],
  ['iat', 'Since when'],
  ['exp', 'Until when'],
  ['jti', 'This token'],
];

/** The same twice, or known by another claim. */
const HIDDEN: ReadonlySet<string> = new Set(['iat_ms']);

function ClaimsCard({ claims }: { readonly claims: Claims }) {
  const known = MEANINGS.filter(([claim]) => claim in claims);
  const others = Object.keys(claims).filter(
    (claim) => !HIDDEN.has(claim) && !MEANINGS.some(([name]) => name === claim),
  );
  return (
    <Card title="Who you are" about="The claims of your access token, as they are now. A change flashes.">
      <dl class="claims">
        {[...known, ...others.map((claim): [string, string] => [claim, ''])].map(([claim, meaning]) => (
          <div key={claim}>
            <dt>
              <code>{claim}</code>
              {meaning && <span>{meaning}</span>}
            </dt>
            <Value claim={claim} text={textOf(claim, claims[claim])} />
          </div>
        ))}
      </dl>
    </Card>
  );
}

function Value({ claim, text }: { readonly claim: string; readonly text: string }) {
  const first = useRef(text);
  // Another key is another element, whose animation runs.
  return (
    <dd key={text} data-claim={claim} class={first.current === text ? '' : 'changed'}>
      {text}
    </dd>
  );
}

const TIMES: ReadonlySet<string> = new Set(['iat', 'exp', 'auth_time']);
const METHODS: Readonly<Record<string, string>> = {
  pwd: 'password',
  otp: 'code',
  mfa: 'two factors',
  rc: 'recovery code',
};

function textOf(claim: string, value: unknown): string {
  if (TIMES.has(claim)) return new Date(Number(value) * 1_000).toLocaleTimeString();
  const words = Array.isArray(value) ? value.map(String) : String(value).split(' ');
  return (claim === 'amr' ? words.map((word) => METHODS[word] ?? word) : words).join(', ');
}

/** What happened to the session while the page was open. */
export interface SessionEvent {
  readonly id: number;
  readonly at: string;
  readonly text: string;
}

const NOT_REPORTED: ReadonlySet<string> = new Set(['jti', 'iat', 'iat_ms', 'exp', 'auth_time']);
const KEPT = 8;

/** The newest first. */
export function useEvents(snapshot: SessionSnapshot): readonly SessionEvent[] {
  const [events, setEvents] = useState<readonly SessionEvent[]>([]);
  const before = useRef(snapshot);
  useEffect(() => {
    const texts = [...changes(before.current, snapshot)];
    before.current = snapshot;
    if (snapshot.status === 'ended') setEvents([]);
    else if (texts.length > 0) {
      const at = new Date().toLocaleTimeString();
      setEvents((last) => {
        const next = (last[0]?.id ?? 0) + 1;
        return [...texts.map((text, index) => ({ id: next + index, at, text })).reverse(), ...last].slice(0, KEPT);
      });
    }
  }, [snapshot]);
  return events;
}

function* changes(before: SessionSnapshot, now: SessionSnapshot): Iterable<string> {
  if (now.status === 'waiting' && before.status !== 'waiting') yield 'The connection is gone; the session waits.';
  if (now.status !== 'active') return;
  if (before.status === 'waiting') yield 'The connection is back.';
  if (before.sid !== now.sid) return yield 'Logged in.';
  if (before.claims.jti === now.claims.jti) return;
  yield 'A newer access token has arrived.';
  for (const claim of new Set([...Object.keys(before.claims), ...Object.keys(now.claims)])) {
    const [old, current] = [before.claims[claim], now.claims[claim]];
    if (NOT_REPORTED.has(claim) || JSON.stringify(old) === JSON.stringify(current)) continue;
    yield `${claim} is now ${current === undefined ? 'absent' : textOf(claim, current)}.`;
  }
}

function EventsCard({ events }: { readonly events: readonly SessionEvent[] }) {
  return (
    <Card title="What happened" about="Renewals and changes since you opened this page.">
      {events.length === 0 && (
        <p class="empty">Nothing yet. Leave the page open, or change something in another tab.</p>
      )}
      <ol class="events">
        {events.map(({ id, at, text }) => (
          <li key={id}>
            <time>{at}</time>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
