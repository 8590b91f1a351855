import { Link, Notice, replaceAddress } from '@rescind/dev-page';
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Announcer } from './announcer.tsx';
import { call } from './api.ts';
import { Audit } from './audit.tsx';
import { Clients } from './clients.tsx';
import { Explain } from './explain.tsx';
import { Fleet } from './fleet.tsx';
import { Keyboard } from './keyboard.tsx';
import { Keys } from './keys.tsx';
import type { Cause } from './live.ts';
import { lastBeat, may, startLive, useLive, useTime } from './live.ts';
import { Log } from './log.tsx';
import { Login, StepUp } from './login.tsx';
import { Now } from './now.tsx';
import { Title } from './parts.tsx';
import { People } from './people.tsx';
import { Revocations } from './revocations.tsx';
import { useAddress } from './router.ts';
import { SearchBox } from './search.tsx';
import { Sessions } from './sessions.tsx';
import { ageText, clockText, zoneText } from './text.ts';

interface Section {
  readonly page: string;
  readonly name: string;
  /** The operation without which the page has nothing to show. */
  readonly requires: string;
  readonly key: string;
  readonly View: (props: { readonly id: string }) => preact.ComponentChildren;
}

const SECTIONS: readonly Section[] = [
  { page: '', name: 'Now', requires: 'listInstances', key: 'n', View: Now },
  { page: 'fleet', name: 'Fleet', requires: 'listInstances', key: 'f', View: Fleet },
  { page: 'revocations', name: 'Revocations', requires: 'listRevocations', key: 'r', View: Revocations },
  { page: 'people', name: 'People', requires: 'listUsers', key: 'p', View: People },
  { page: 'sessions', name: 'Sessions', requires: 'listSessions', key: 's', View: Sessions },
  { page: 'explain', name: 'Explain', requires: 'explain', key: 'e', View: Explain },
  { page: 'keys', name: 'Keys and epochs', requires: 'listKeys', key: 'k', View: Keys },
  { page: 'clients', name: 'Clients', requires: 'listClients', key: 'c', View: Clients },
  { page: 'log', name: 'Log', requires: 'listRevocations', key: 'l', View: Log },
  { page: 'audit', name: 'Audit', requires: 'listAudit', key: 'a', View: Audit },
];

function App() {
  const { me, isComplete } = useLive();
  const { status } = useTime();
  const address = useAddress();
  const main = useRef<HTMLElement>(null);
  const section = SECTIONS.find(({ page }) => page === address.page);
  const shown = SECTIONS.filter(({ requires }) => may(requires));
  useEffect(() => {
    document.title = `${section?.name ?? 'Not found'} · Rescind console`;
  }, [section]);
  if (!me)
    return status === 'out' ? (
      <Login />
    ) : (
      <main>
        <Connecting />
      </main>
    );
  return (
    // Another operator gets a page without the forms of the one before.
    <div key={me.who} class={`console ${status} ${isComplete ? '' : 'waiting'}`} data-live={status}>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <Sidebar sections={shown} current={address.page} />
      <div class="column">
        <TopBar />
        <Banners />
        {!isComplete && status !== 'out' && <Connecting />}
        <main id="main" ref={main} tabIndex={-1} class={status === 'live' ? '' : 'old'}>
          {section === undefined ? (
            <Notice kind="info">There is no such page.</Notice>
          ) : may(section.requires) ? (
            <section.View key={address.id} id={address.id} />
          ) : (
            <Forbidden name={section.name} sections={shown} />
          )}
        </main>
      </div>
      <StepUp />
      <Keyboard sections={shown} />
      <Announcer />
      {status === 'out' && <Login />}
    </div>
  );
}

const CAUSES: Readonly<Record<Cause, string>> = {
  issuer: 'The console cannot reach user-management. The fleet continues to deny what it has applied.',
  console: 'The console does not respond.',
};

/** Until the complete state has arrived: what is empty by then is not known. */
function Connecting() {
  const { cause } = useTime();
  return (
    <div class="loading">
      <h1>Connecting …</h1>
      {cause && <p role="status">{CAUSES[cause]}</p>}
    </div>
  );
}

/** A page that the operator may not read. The first page leads to one that the operator may. */
function Forbidden({ name, sections }: { readonly name: string; readonly sections: readonly Section[] }) {
  const [first] = sections;
  useEffect(() => {
    if (location.pathname === '/' && first) replaceAddress(`/${first.page}`);
  }, [first]);
  return (
    <>
      <Title>{name}</Title>
      <Notice kind="info">Your account lacks the scope to read this.</Notice>
    </>
  );
}

function Sidebar({ sections, current }: { readonly sections: readonly Section[]; readonly current: string }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [current]);
  return (
    <header class="side">
      <Link to="/" class="brand">
        <img src="/assets/icon.svg" alt="" width="26" height="26" />
        Rescind
      </Link>
      <button
        type="button"
        class="menu"
        aria-expanded={isOpen}
        aria-controls="sections"
        onClick={() => setOpen(!isOpen)}
      >
        {sections.find(({ page }) => page === current)?.name ?? 'Menu'}
      </button>
      <nav id="sections" aria-label="Pages" class={isOpen ? 'open' : ''}>
        {sections.map(({ page, name }) => (
          <Link key={page} to={`/${page}`} isCurrent={page === current}>
            {name}
          </Link>
        ))}
      </nav>
    </header>
  );
}

const WORDS = {
  live: 'Live',
  behind: 'Behind',
  frozen: 'Frozen',
  connecting: 'Connecting',
  out: 'Logged out',
} as const;

function TopBar() {
  const { me } = useLive();
  const { now, status } = useTime();
  const name = me?.username ?? me?.who ?? '';
  const recentMs = (me?.stepUpUntil ?? 0) - now;
  const logout = () => void call('/logout', { method: 'POST' }).finally(() => location.assign('/'));
  return (
    <section class="bar" aria-label="State of the console">
      <p class={`status ${status}`}>
        <span class="dot" aria-hidden="true" />
        <strong>{WORDS[status]}</strong>
        <time aria-hidden="true" title={`Time of the issuer, zone ${zoneText()}`}>
          {clockText(now)}
        </time>
      </p>
      <SearchBox />
      <p class="who">
        <strong>{name}</strong>
        {me?.stepUpUntil != null && (
          <span aria-hidden="true" title="How long your login is recent enough for wide acts">
            {recentMs > 0 ? `recent login: ${ageText(recentMs)} left` : 'login not recent'}
          </span>
        )}
      </p>
      <button type="button" class="small" onClick={logout}>
        Log out
      </button>
    </section>
  );
}

/** The difference of the two clocks above which the page shows it, in ms. */
const PARTED_MS = 2_000;

function Banners() {
  const { now, status, cause } = useTime();
  const at = lastBeat();
  const partedMs = Date.now() - now;
  return (
    <>
      {(status === 'behind' || status === 'frozen') && (
        <section class="banner" aria-label="Warning">
          <Notice kind="error">
            Nothing has arrived since {at === undefined ? 'the page was opened' : clockText(at)}: every value below is
            of that time. {cause && CAUSES[cause]}
          </Notice>
        </section>
      )}
      {status === 'live' && Math.abs(partedMs) > PARTED_MS && (
        <section class="banner" aria-label="Warning">
          <Notice kind="info">
            The clock of this device is {ageText(Math.abs(partedMs))} {partedMs > 0 ? 'ahead of' : 'behind'} the issuer.
            All ages here are by the clock of the issuer.
          </Notice>
        </section>
      )}
    </>
  );
}

startLive();
const root = document.getElementById('page');
if (root) render(<App />, root);
