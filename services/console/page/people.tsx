import { Card, Link, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import type { UserEvent } from '../src/frames.ts';
import { ActButton } from './act.tsx';
import type { Session, User } from './api.ts';
import { may } from './live.ts';
import { EventRows } from './log.tsx';
import { Ago, Listing, Rows, Title, useList, useRead } from './parts.tsx';
import { PeriodFilter, usePeriod } from './period.tsx';
import { setQuery, useAddress } from './router.ts';
import { SessionRows } from './session-rows.tsx';
import { dayText, shortId } from './text.ts';

/** Users by the beginning of their names; or one user, with sessions and events. */
export const People = ({ id }: { readonly id: string }) => (id === '' ? <Search /> : <Person sub={id} />);

/** The pause in typing after which the list is requested, in ms. */
const TYPING_MS = 200;

function Search() {
  const { query } = useAddress();
  const prefix = query.get('prefix') ?? '';
  const [text, setText] = useState(prefix);
  useEffect(() => setText(prefix), [prefix]);
  useEffect(() => {
    const timer = setTimeout(() => setQuery({ prefix: text.trim() }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const list = useList<User>(`users${prefix === '' ? '' : `?prefix=${encodeURIComponent(prefix)}`}`);
  return (
    <>
      <Title cli={`rescind users${prefix === '' ? '' : ` --prefix ${prefix}`}`}>People</Title>
      <Card title="Users" about="By the beginning of the name, in any case.">
        <div class="filters">
          <input
            type="search"
            aria-label="The name begins with"
            placeholder="The name begins with"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
        <Listing list={list} of="users" empty="No name begins so.">
          {(users) => (
            <Rows columns={['Name', 'State', 'Last login', 'Second factor', 'Since']}>
              {users.map((one) => (
                <tr key={one.sub}>
                  <td data-label="Name" class="main">
                    <Link to={`/people/${encodeURIComponent(one.sub)}`}>{one.username}</Link>
                  </td>
                  <td data-label="State">
                    {one.state}
                    {one.stateReason !== null && ` (${one.stateReason.replaceAll('_', ' ')})`}
                  </td>
                  <td data-label="Last login">{one.lastLoginAt === null ? 'never' : <Ago at={one.lastLoginAt} />}</td>
                  <td data-label="Second factor">{one.secondFactor ? 'on' : 'off'}</td>
                  <td data-label="Since">{dayText(one.createdAt)}</td>
                </tr>
              ))}
            </Rows>
          )}
        </Listing>
      </Card>
    </>
  );
}

function Person({ sub }: { readonly sub: string }) {
  const { value: user, failure, reload } = useRead<User>(`/admin/users/${encodeURIComponent(sub)}`);
  const [version, setVersion] = useState(0);
  const changed = () => {
    setVersion((count) => count + 1);
    reload();
  };
  if (failure !== undefined) return <Notice kind="error">{failure}</Notice>;
  if (!user) return <p class="empty">Loading the user …</p>;
  const name = user.username || 'a deleted user';
  const path = `/admin/users/${encodeURIComponent(sub)}`;
  const cutoffs = [{ claim: 'sub', value: sub }];
  return (
    <>
      <Title
        cli={`rescind users show ${name}`}
        about={
          <>
            {user.state}
            {user.stateReason !== null && ` (${user.stateReason.replaceAll('_', ' ')})`} · user since{' '}
            {dayText(user.createdAt)} · second factor {user.secondFactor ? 'on' : 'off'} ·{' '}
            <code title={sub}>{shortId(sub)}</code>
            {user.scopes?.some((scope) => scope.startsWith('admin:')) && <span class="badge"> administrator</span>}
          </>
        }
      >
        {name}
      </Title>
      <div class="acts-bar">
        <ActButton
          isMain
          act={{
            operation: 'logOutUser',
            label: 'Log out everywhere …',
            title: `Log out ${name} everywhere?`,
            path: `${path}/log-out`,
            reason: 'logged_out_by_administrator',
            tier: 'person',
            cutoffs,
            consequence: 'Logging in again works at once.',
            done: changed,
          }}
        />
        {user.state === 'active' ? (
          <ActButton
            act={{
              operation: 'suspendUser',
              label: 'Suspend …',
              title: `Suspend ${name}?`,
              path: `${path}/suspend`,
              reason: 'suspended',
              tier: 'person',
              cutoffs,
              consequence: 'Login and refresh refuse until the user is reinstated.',
              done: changed,
            }}
          />
        ) : (
          <ActButton
            act={{
              operation: 'reinstateUser',
              label: 'Reinstate …',
              title: `Let ${name} log in again?`,
              path: `${path}/reinstate`,
              tier: 'one',
              consequence: 'Earlier tokens stay denied.',
              done: changed,
            }}
          />
        )}
      </div>
      {may('listSessions') && <SessionsOf key={`s${version}`} sub={sub} changed={changed} />}
      {may('listEvents') && <EventsOf key={`e${version}`} sub={sub} />}
    </>
  );
}

function SessionsOf({ sub, changed }: { readonly sub: string; readonly changed: () => void }) {
  const list = useList<Session>(`sessions?sub=${encodeURIComponent(sub)}&ended=true`);
  const open = list.state.kind === 'ready' ? list.state.items.filter(({ endedAt }) => endedAt === null).length : 0;
  return (
    <Card title="Sessions" about={list.state.kind === 'ready' ? `${open} open` : ''}>
      <Listing list={list} of="sessions" empty="No session.">
        {(items) => (
          <SessionRows
            sessions={items.toSorted(
              (a, b) => Number(a.endedAt !== null) - Number(b.endedAt !== null) || b.createdAt - a.createdAt,
            )}
            showsUser={false}
            changed={changed}
          />
        )}
      </Listing>
    </Card>
  );
}

function EventsOf({ sub }: { readonly sub: string }) {
  const list = useList<UserEvent>(`events?sub=${encodeURIComponent(sub)}${usePeriod()}`);
  return (
    <Card title="What happened" about="Logins, refusals and ends with their reasons, the latest first.">
      <div class="filters">
        <PeriodFilter />
      </div>
      <Listing list={list} of="events" empty="Nothing that is kept.">
        {(items) => <EventRows events={items} showsUser={false} />}
      </Listing>
    </Card>
  );
}
