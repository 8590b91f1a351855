import { Card, Link, Notice } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { UserEvent } from '../src/frames.ts';
import { ActButton } from './act.tsx';
import type { Session, User } from './api.ts';
import { may, useLive } from './live.ts';
import { EventRows } from './log.tsx';
import { Ago, Listing, Rows, TextFilter, Title, useList, useRead } from './parts.tsx';
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
  const list = useList<User>(`users${prefix === '' ? '' : `?prefix=${encodeURIComponent(prefix)}`}`);
  return (
    <>
      <Title cli={`rescind users${prefix === '' ? '' : ` --prefix ${prefix}`}`}>People</Title>
      <Card title="Users" about="By the beginning of the name, in any case.">
        <div class="filters">
          <TextFilter
            name="The name begins with"
            value={prefix}
            apply={(value) => setQuery({ prefix: value })}
            pauseMs={TYPING_MS}
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
  // The stream has what happened since the lists were read.
  const latest = useLive().events.findLast((event) => event.sub === sub)?.seq ?? 0;
  const read = useRef(latest);
  useEffect(() => {
    // Without a login there are no events.
    if (latest <= read.current) return;
    read.current = latest;
    changed();
  }, [latest]);
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
      {may('listSessions') && <SessionsOf sub={sub} version={version} changed={changed} />}
      {may('listEvents') && <EventsOf sub={sub} version={version} />}
    </>
  );
}

interface OfUser {
  readonly sub: string;
  /** Another number: it is read again, and a dialog that is open stays. */
  readonly version: number;
}

/** A list that is read again for each further version. */
function useVersionedList<T>(path: string, version: number) {
  const list = useList<T>(path);
  useEffect(() => {
    if (version > 0) list.reload();
  }, [version]);
  return list;
}

function SessionsOf({ sub, version, changed }: OfUser & { readonly changed: () => void }) {
  const list = useVersionedList<Session>(`sessions?sub=${encodeURIComponent(sub)}&ended=true`, version);
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

function EventsOf({ sub, version }: OfUser) {
  const list = useVersionedList<UserEvent>(`events?sub=${encodeURIComponent(sub)}${usePeriod()}`, version);
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
