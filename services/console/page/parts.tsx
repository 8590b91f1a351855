import { Notice, useWorkWith } from '@rescind/dev-page';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { InstanceState } from '../src/frames.ts';
import type { Page } from './api.ts';
import { call, isRefusal, Refusal, sentenceOf } from './api.ts';
import { lastBeat, serverNow, useLive, useTime } from './live.ts';
import { ageText, clockText, isoText } from './text.ts';

/** The title of a page, and the line by which a terminal shows the same. */
export function Title({
  children,
  about,
  cli,
}: {
  children: ComponentChildren;
  about?: ComponentChildren;
  cli?: string;
}) {
  return (
    <div class="title">
      <div>
        <h1>{children}</h1>
        {about && <p>{about}</p>}
      </div>
      {cli && (
        <code class="cli" title="The same on a terminal">
          {cli}
        </code>
      )}
    </div>
  );
}

/** A time as an age by the issuer's clock; the tooltip has it in full. */
export function Ago({ at, suffix = ' ago' }: { readonly at: number; readonly suffix?: string }) {
  const { now } = useTime();
  return (
    <time dateTime={isoText(at)} title={isoText(at)}>
      {ageText(now - at)}
      {suffix}
    </time>
  );
}

const LETTERS: Readonly<Record<InstanceState, string>> = {
  live: 'L',
  behind: 'B',
  lost: 'X',
  left: 'E',
  unknown: '?',
};

/** The shape of a state: it is read without its colour. */
export function StateShape({ state }: { readonly state: InstanceState }) {
  return (
    <svg class={`shape ${state}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <rect class="frame" x="1" y="1" width="10" height="10" rx="2" />
      {state === 'live' && <rect class="fill" x="1" y="1" width="10" height="10" rx="2" />}
      {state === 'behind' && <path class="fill" d="M1 11V3a2 2 0 0 1 2-2h8z" />}
      {state === 'lost' && <path class="mark" d="M3 3l6 6M9 3l-6 6" />}
      {state === 'unknown' && <path class="mark" d="M1.5 7 7 1.5M3 10.5 10.5 3" />}
    </svg>
  );
}

export function StateWord({ state }: { readonly state: InstanceState }) {
  return (
    <span class={`state ${state}`} data-letter={LETTERS[state]}>
      <StateShape state={state} />
      {state}
    </span>
  );
}

/** Marks values that are not present any more, with the time of the last frame. */
export function Stale() {
  const { status } = useTime();
  const at = lastBeat();
  if (status !== 'behind' && status !== 'frozen') return null;
  return <span class="badge stale">as of {at === undefined ? 'never' : clockText(at)}</span>;
}

/** The state of a list. A failure is never shown as an empty list. */
export type ListState<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'forbidden' }
  | {
      readonly kind: 'ready';
      readonly items: readonly T[];
      readonly next: string | undefined;
      /** When it was read, by the clock of the issuer, ms since 1970. */
      readonly at: number;
    };

/** Reads something of the administration, again after a login. @param path below `/api` */
export function useRead<T>(path: string) {
  const { logins } = useLive();
  const [state, setState] = useState<{ readonly path?: string; readonly value?: T; readonly failure?: string }>({});
  const [version, setVersion] = useState(0);
  useEffect(() => {
    let isWanted = true;
    call<T>(path).then(
      (value) => isWanted && setState({ path, value }),
      (error) => isWanted && setState({ path, failure: sentenceOf(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [path, version, logins]);
  const { value, failure } = state.path === path ? state : {};
  return { value, failure, reload: () => setVersion((count) => count + 1) };
}

/**
 * Loads a list of the administration page by page, again after a login.
 * @param path with its filter
 * @param limit the items of a page; null: the list has no pages, or the path is that of one item, of which the list consists
 */
export function useList<T>(path: string, limit: number | null = 100) {
  const { logins } = useLive();
  const [state, setState] = useState<ListState<T>>({ kind: 'loading' });
  const [version, setVersion] = useState(0);
  const wanted = useRef('');
  const urlOf = (after?: string) => {
    if (limit === null) return `/admin/${path}`;
    const next = after === undefined ? '' : `&after=${encodeURIComponent(after)}`;
    return `/admin/${path}${path.includes('?') ? '&' : '?'}limit=${limit}${next}`;
  };
  const failed = (error: unknown) =>
    setState(
      isRefusal(error, 'scope_insufficient') ? { kind: 'forbidden' } : { kind: 'failed', message: sentenceOf(error) },
    );
  useEffect(() => {
    if (wanted.current !== path) setState({ kind: 'loading' });
    wanted.current = path;
    call<Page<T> | T>(urlOf()).then(
      (found) => {
        if (wanted.current !== path) return;
        const page = Object(found) as Partial<Page<T>>;
        if (Array.isArray(page.items)) setState({ kind: 'ready', items: page.items, next: page.next, at: serverNow() });
        else if (limit === null) setState({ kind: 'ready', items: [found as T], next: undefined, at: serverNow() });
        else failed(new Error('The response was not understood.'));
      },
      (error) => {
        if (wanted.current !== path) return;
        if (limit === null && error instanceof Refusal && error.status === 404)
          setState({ kind: 'ready', items: [], next: undefined, at: serverNow() });
        else failed(error);
      },
    );
  }, [path, version, logins]);
  return {
    state,
    reload: () => setVersion((count) => count + 1),
    async more() {
      if (state.kind !== 'ready' || state.next === undefined) return;
      try {
        const { items, next } = await call<Page<T>>(urlOf(state.next));
        if (wanted.current === path) setState({ kind: 'ready', items: [...state.items, ...items], next, at: state.at });
      } catch (error) {
        failed(error);
      }
    },
  };
}

interface ListingProps<T> {
  readonly list: { readonly state: ListState<T>; more(): Promise<void>; reload(): void };
  readonly empty: string;
  /** What the list is of, in the plural. */
  readonly of: string;
  readonly children: (items: readonly T[]) => ComponentChildren;
}

/** Shows a list in each of its states. */
export function Listing<T>({ list, empty, of, children }: ListingProps<T>) {
  const { state } = list;
  if (state.kind === 'loading') return <p class="empty">Loading {of} …</p>;
  if (state.kind === 'forbidden') return <Notice kind="info">Your account may not read {of}.</Notice>;
  if (state.kind === 'failed')
    return (
      <Notice kind="error">
        The {of} could not be read. {state.message}{' '}
        <button type="button" class="link" onClick={list.reload}>
          Try again
        </button>
      </Notice>
    );
  return (
    <>
      {state.items.length === 0 ? <p class="empty">{empty}</p> : children(state.items)}
      <p class="count">
        {state.items.length.toLocaleString('en')} shown
        {state.next !== undefined && (
          <>
            , there are more.{' '}
            <button type="button" class="link" onClick={() => void list.more()}>
              Show more
            </button>
          </>
        )}
        {' · read at '}
        {clockText(state.at)}{' '}
        <button type="button" class="link" onClick={list.reload}>
          Read again
        </button>
      </p>
    </>
  );
}

/** A column of `Rows`: its name, or with how it is shown; false or undefined: there is none. */
type Column = string | { readonly name: string; readonly as: 'number' | 'aloud' } | false | undefined;

interface RowsProps {
  readonly columns: readonly Column[];
  /** How many rows the list has with its head, where only some are drawn. */
  readonly rowCount?: number;
  readonly children: ComponentChildren;
}

/** A table whose rows are cards on a phone: each cell has the name of its column as `data-label`. */
export function Rows({ columns, rowCount, children }: RowsProps) {
  return (
    <table class="rows" aria-rowcount={rowCount}>
      <thead>
        <tr>
          {columns.map((column) => {
            if (!column) return null;
            const { name, as } = typeof column === 'string' ? { name: column, as: undefined } : column;
            return (
              <th key={name} scope="col" class={as === 'number' ? 'number' : undefined}>
                {as === 'aloud' ? <span class="aloud">{name}</span> : name}
              </th>
            );
          })}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

interface TextFilterProps {
  /** Its label and placeholder. */
  readonly name: string;
  /** What the address has. */
  readonly value: string;
  apply(value: string): void;
  /** The pause in typing after which it applies too, in ms. Default: it applies when Enter is pressed or the field is left. */
  readonly pauseMs?: number;
}

/** A filter of the address. Until it applies, what is typed stays, however often the page is drawn meanwhile. */
export function TextFilter({ name, value, apply, pauseMs }: TextFilterProps) {
  const [text, setText] = useState(value);
  const applied = useRef(value);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (value !== applied.current) setText(value);
    applied.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const applyNow = (typed: string) => {
    clearTimeout(timer.current);
    applied.current = typed.trim();
    apply(applied.current);
  };
  return (
    <input
      type="search"
      aria-label={name}
      placeholder={name}
      value={text}
      onInput={({ currentTarget }) => {
        const typed = currentTarget.value;
        setText(typed);
        clearTimeout(timer.current);
        if (pauseMs !== undefined) timer.current = setTimeout(applyNow, pauseMs, typed);
      }}
      onChange={(event) => applyNow(event.currentTarget.value)}
    />
  );
}

/** Work that an operator starts: whether it runs, and the sentence of its failure. */
export const useWork = () => useWorkWith(sentenceOf);
