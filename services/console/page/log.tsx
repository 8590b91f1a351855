import { Card, Link, Notice } from '@rescind/dev-page';
import { useRef, useState } from 'preact/hooks';
import type { UserEvent } from '../src/frames.ts';
import { may, useLive } from './live.ts';
import { Ago, Stale, Title } from './parts.tsx';
import { setQuery, useAddress } from './router.ts';
import { countText, denialText, untrustedText } from './text.ts';

/** One line of the log: a revocation, or what happened to a user. */
interface Line {
  readonly key: string;
  readonly at: number;
  readonly kind: string;
  readonly text: string;
  readonly to: string | undefined;
  readonly seq: number | undefined;
  /** How many positions are missing before it. */
  readonly gap: number;
}

/** How many of the newest lines are shown; the others are counted. */
const SHOWN = 300;
/** Whoever has scrolled down further reads: the list pauses. */
const READING_PX = 40;

/** The revocations and the events of users as they are appended. While an operator reads further down, no new line is shown. */
export function Log() {
  const { revocations, events, missedEvents } = useLive();
  const [pausedAt, setPausedAt] = useState<number>();
  const type = useAddress().query.get('kind') ?? '';
  const box = useRef<HTMLDivElement>(null);
  const lines = linesOf(revocations, events).filter(({ kind }) => type === '' || kind === type);
  const newest = lines[0]?.at ?? 0;
  const held = pausedAt === undefined ? lines : lines.filter(({ at }) => at <= pausedAt);
  const pause = () => setPausedAt((at) => at ?? newest);
  const isNew = lines.length - held.length;
  const shown = held.slice(0, SHOWN);
  const hidden = held.length - shown.length + missedEvents;
  return (
    <>
      <Title about={<Stale />} cli="rescind tail">
        The log as it grows
      </Title>
      {!may('listEvents') && (
        <Notice kind="info">Your account may not read the events of users: only revocations are shown.</Notice>
      )}
      <Card
        title="The newest first"
        actions={
          <div class="acts-bar">
            <select aria-label="Kind" value={type} onChange={(event) => setQuery({ kind: event.currentTarget.value })}>
              <option value="">all</option>
              {[...new Set(linesOf(revocations, events).map(({ kind }) => kind))].sort().map((kind) => (
                <option key={kind} value={kind}>
                  {kind.replaceAll('_', ' ')}
                </option>
              ))}
            </select>
            <button
              type="button"
              class="small"
              aria-pressed={pausedAt !== undefined}
              onClick={() => setPausedAt(pausedAt === undefined ? newest : undefined)}
            >
              {pausedAt === undefined ? 'Pause' : 'Continue'}
            </button>
          </div>
        }
      >
        <div class="log-box">
          {isNew > 0 && (
            <button
              type="button"
              class="pill"
              onClick={() => {
                setPausedAt(undefined);
                box.current?.scrollTo(0, 0);
              }}
            >
              {isNew} new
            </button>
          )}
          {/* Reading further down pauses, and so does the focus on a line: what is read must not move. */}
          <section
            ref={box}
            class="log"
            aria-label="Lines of the log"
            onScroll={(event) => {
              if (event.currentTarget.scrollTop > READING_PX) pause();
            }}
            onFocusCapture={pause}
          >
            {shown.length === 0 && <p class="empty">Nothing yet.</p>}
            <ol>
              {shown.map((line) => (
                <li key={line.key}>
                  <span class="seq">{line.seq === undefined ? '' : `#${line.seq}`}</span>
                  <span class="badge">{line.kind.replaceAll('_', ' ')}</span>
                  <span class="what">{line.to === undefined ? line.text : <Link to={line.to}>{line.text}</Link>}</span>
                  <Ago at={line.at} />
                  {line.gap > 0 && (
                    <span class="gap">{countText(line.gap, 'position')} before it deny nothing any more</span>
                  )}
                </li>
              ))}
            </ol>
          </section>
        </div>
        <p class="count">
          {shown.length} shown{hidden > 0 && `, ${hidden.toLocaleString('en')} not shown`}
        </p>
      </Card>
    </>
  );
}

function linesOf(revocations: ReturnType<typeof useLive>['revocations'], events: readonly UserEvent[]): Line[] {
  const ofRevocations = revocations.map((one, index): Line => {
    const before = revocations[index + 1];
    const [first] = one.deny;
    return {
      key: one.txn,
      at: one.appendedAt,
      kind: 'revocation',
      text: `${first === undefined ? 'an event key' : denialText(first)}: ${one.reason.replaceAll('_', ' ')}`,
      to: `/revocations/${encodeURIComponent(one.txn)}`,
      seq: one.seq,
      gap: before?.epoch === one.epoch ? one.seq - before.seq - 1 : 0,
    };
  });
  const ofUsers = events.map(
    (one): Line => ({
      key: `e${one.seq}`,
      at: one.at,
      kind: one.type,
      text: textOf(one, true),
      to: one.sub === null || !may('getUser') ? undefined : `/people/${encodeURIComponent(one.sub)}`,
      seq: undefined,
      gap: 0,
    }),
  );
  return [...ofRevocations, ...ofUsers].toSorted((a, b) => b.at - a.at);
}

function textOf(event: UserEvent, showsUser: boolean): string {
  const { username, sub, reason, code, actor, deviceName, clientId, count } = event;
  const parts = [
    showsUser ? (username ?? sub ?? 'an unknown name') : '',
    (reason ?? code ?? '').replaceAll('_', ' '),
    actor === null || actor === 'user' ? '' : `by ${actor}`,
    deviceName === null ? (clientId ?? '') : untrustedText(deviceName),
    count > 1 ? `${count} times` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** Events of users as a list: the time line of one. */
export function EventRows({
  events,
  showsUser,
}: {
  readonly events: readonly UserEvent[];
  readonly showsUser: boolean;
}) {
  return (
    <ol class="events">
      {events.map((one) => (
        <li key={one.seq}>
          <span class={`badge ${/refus|fail|reuse/.test(one.type) ? 'bad' : ''}`}>{one.type.replaceAll('_', ' ')}</span>
          <span class="what">
            {textOf(one, showsUser)}
            {one.origin.address !== undefined && <span class="about"> from {one.origin.address}</span>}
            {one.txn !== null && may('getRevocation') && (
              <>
                {' '}
                <Link to={`/revocations/${encodeURIComponent(one.txn)}`}>crossing</Link>
              </>
            )}
          </span>
          <Ago at={one.at} />
        </li>
      ))}
    </ol>
  );
}
