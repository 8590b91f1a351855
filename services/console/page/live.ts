import { useEffect, useState } from 'preact/hooks';
import type { Frame, Instance, Me, Propagation, Receipt, Revocation, UserEvent } from '../src/frames.ts';
import { fromRows } from '../src/frames.ts';
import { OWN_PAGE, onLoggedOut } from './api.ts';

/** `out`: nobody is logged in. `behind`: no frame for `BEHIND_MS`. `frozen`: none for `FROZEN_MS`. */
export type Status = 'connecting' | 'live' | 'behind' | 'frozen' | 'out';

/** What the stream has sent. It is replaced, never changed. */
export interface Live {
  readonly me: Me | undefined;
  /** Whether a complete state has arrived: before, an empty list says nothing. */
  readonly isComplete: boolean;
  readonly instances: ReadonlyMap<string, Instance>;
  readonly revocations: readonly Revocation[];
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly propagation: readonly Propagation[];
  /** Events of users, the newest last, at most `KEPT_EVENTS`. */
  readonly events: readonly UserEvent[];
  /** How many events are not among them. */
  readonly missedEvents: number;
  /** How many times an operator has logged in: what was read before the last time is read again. */
  readonly logins: number;
}

/** What does not respond while no frame arrives: user-management, or the server of the console. */
export type Cause = 'issuer' | 'console';

/** The most events that a tab keeps in memory. */
const KEPT_EVENTS = 2_000;

const NOTHING: Live = {
  me: undefined,
  isComplete: false,
  instances: new Map(),
  revocations: [],
  receipts: new Map(),
  propagation: [],
  events: [],
  missedEvents: 0,
  logins: 0,
};
const BEHIND_MS = 3_000;
const FROZEN_MS = 10_000;
/** Shortest time between two updates of the page: ten a second. */
const UPDATE_MS = 100;
/** The pause before a lost stream is opened again. */
const RETRY_MS = 1_500;
/** The name of the lock of the tab that has the stream, and of the channel to the others. */
const LOCK = 'rescind-console-stream';

let live = NOTHING;
let isLoggedOut = false;
/** Whether a stream has begun whose complete state has not arrived: until then the page shows the former one. */
let isBeginning = false;
/** The server's time of the last frame, and when it arrived by the monotonic clock of the browser. */
let beat: { readonly now: number; readonly at: number } | undefined;
/** What does not respond, as far as this tab knows. */
let cause: Cause | undefined;
const listeners = new Set<() => void>();
let isScheduled = false;

function changed(): void {
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => {
    isScheduled = false;
    for (const listener of listeners) listener();
  }, UPDATE_MS);
}

/** The time of the issuer: ages do not depend on the clock of this device. */
export const serverNow = (): number => (beat ? beat.now + performance.now() - beat.at : Date.now());

/** The time of the last frame; undefined before the first. */
export const lastBeat = (): number | undefined => beat?.now;

function statusOf(): Status {
  if (isLoggedOut) return 'out';
  if (!beat) return 'connecting';
  const silentMs = performance.now() - beat.at;
  return silentMs > FROZEN_MS ? 'frozen' : silentMs > BEHIND_MS ? 'behind' : 'live';
}

/** Removes everything but who is logged in: forms and dialogs of this operator stay on the page. */
const emptied = (): Live => ({ ...NOTHING, me: live.me, logins: live.logins });

function apply(frame: Frame): void {
  switch (frame.type) {
    case 'begin':
      isBeginning = true;
      isLoggedOut = false;
      break;
    case 'beat':
      // The complete state follows in the same chunk.
      if (isBeginning) live = { ...emptied(), isComplete: true };
      isBeginning = false;
      cause = undefined;
      beat = { now: frame.now, at: performance.now() };
      isLoggedOut = false;
      break;
    case 'me':
      live = { ...live, me: frame.me };
      break;
    case 'fleet': {
      const instances = new Map(live.instances);
      for (const id of frame.removed) instances.delete(id);
      for (const one of fromRows(frame.rows)) instances.set(one.id, one);
      live = { ...live, instances };
      break;
    }
    case 'revocations': {
      const known = new Set(frame.items.map(({ txn }) => txn));
      // Those of older revocations are not kept: a page may be open for weeks.
      const receipts = new Map([...live.receipts].filter(([txn]) => known.has(txn)));
      live = { ...live, revocations: frame.items, receipts };
      break;
    }
    case 'receipt':
      live = { ...live, receipts: new Map(live.receipts).set(frame.txn, frame.receipt) };
      break;
    case 'propagation':
      live = { ...live, propagation: frame.points };
      break;
    case 'events': {
      const events = [...live.events, ...frame.items];
      const dropped = Math.max(0, events.length - KEPT_EVENTS);
      live = { ...live, events: events.slice(dropped), missedEvents: live.missedEvents + frame.missed + dropped };
      break;
    }
    case 'unreachable':
      cause = 'issuer';
      break;
    case 'ended':
      isLoggedOut = true;
      live = emptied();
      break;
  }
  changed();
}

/** Between the tabs of this browser: one of them has the stream, the others get its frames. */
type Message =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'state'; readonly live: Live; readonly now: number; readonly isLoggedOut: boolean }
  | { readonly kind: 'silent'; readonly cause: Cause }
  | { readonly kind: 'hello' }
  | { readonly kind: 'logged-in' };

const channel = new BroadcastChannel(LOCK);
let isLeader = false;
let wake: () => void = () => undefined;

channel.onmessage = ({ data }: MessageEvent<Message>) => {
  if (data.kind === 'frame') apply(data.frame);
  else if (data.kind === 'state' && !isLeader) {
    live = data.live;
    isLoggedOut = data.isLoggedOut;
    beat = { now: data.now, at: performance.now() };
    changed();
  } else if (data.kind === 'hello' && isLeader && beat) post({ kind: 'state', live, now: serverNow(), isLoggedOut });
  else if (data.kind === 'silent') setCause(data.cause);
  else if (data.kind === 'logged-in') resume();
};
const post = (message: Message) => channel.postMessage(message);

function setCause(found: Cause): void {
  cause = found;
  changed();
}

function silent(found: Cause): void {
  setCause(found);
  post({ kind: 'silent', cause: found });
}

function showLogin(): void {
  isLoggedOut = true;
  live = emptied();
  changed();
}

function resume(): void {
  isLoggedOut = false;
  beat = undefined;
  live = { ...live, logins: live.logins + 1 };
  wake();
  changed();
}

/** Continues after a login, in every tab. */
export function loggedIn(): void {
  resume();
  post({ kind: 'logged-in' });
}

/** Keeps the live stream open in one tab of the browser: a browser has six connections to a host. */
export function startLive(): void {
  onLoggedOut(showLogin);
  post({ kind: 'hello' });
  void navigator.locks.request(LOCK, async () => {
    isLeader = true;
    for (;;) await follow();
  });
}

async function follow(): Promise<void> {
  const { promise: woken, resolve } = Promise.withResolvers<void>();
  wake = resolve;
  try {
    const response = await fetch('/api/stream', { headers: OWN_PAGE, cache: 'no-store' });
    if (response.status === 401) {
      showLogin();
      post({ kind: 'frame', frame: { type: 'ended' } });
      return await woken;
    }
    if (response.ok && response.body) {
      for await (const frame of framesOf(response.body)) {
        apply(frame);
        post({ kind: 'frame', frame });
      }
    } else silent(response.status === 502 ? 'issuer' : 'console');
  } catch {
    // The connection is lost. The page shows since when nothing has arrived.
    silent('console');
  }
  if (isLoggedOut) return woken;
  await Promise.race([new Promise((done) => setTimeout(done, RETRY_MS)), woken]);
}

/** The events of a stream (WHATWG HTML section 9.2). `EventSource` does not show a 401, and cannot send a header. */
async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data !== undefined) yield JSON.parse(data.slice('data: '.length)) as Frame;
    }
  }
}

/** The present state, again whenever it changes. */
export function useLive(): Live {
  const [, update] = useState(0);
  useEffect(() => {
    const listener = () => update((count) => count + 1);
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return live;
}

/** The components that show a time: one timer updates all of them together, so that a page is laid out once a second. */
const tickers = new Set<() => void>();
setInterval(() => {
  for (const ticker of tickers) ticker();
}, 1_000);

/** The time of the issuer and the state of the stream, again each second. */
export function useTime(): { readonly now: number; readonly status: Status; readonly cause: Cause | undefined } {
  const [, update] = useState(0);
  useEffect(() => {
    const ticker = () => update((count) => count + 1);
    tickers.add(ticker);
    return () => void tickers.delete(ticker);
  }, []);
  return { now: serverNow(), status: statusOf(), cause };
}

/** Whether the scopes of the operator permit an operation, by its id in the OpenAPI document of the administration. */
export const may = (operation: string): boolean => live.me?.operations.includes(operation) === true;
