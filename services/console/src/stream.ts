import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Response } from 'express';
import type { Frame, Instance, Me } from './frames.ts';
import { toRows } from './frames.ts';
import type { OperatorSession } from './operators.ts';
import { callAsOperator } from './operators.ts';
import type { UpstreamResponse } from './upstream.ts';
import { jsonOf } from './upstream.ts';
import type { Watch } from './watch.ts';

/** How often the state is requested and the session of the operator is verified, in ms. */
const TICK_MS = 500;
/** A stream of which the browser leaves more bytes unread is ended: they would fill the memory. */
const MAX_BUFFERED_BYTES = 4_000_000;

/** The dependencies of a stream. */
interface StreamOptions {
  readonly session: OperatorSession;
  readonly adminUrl: string;
  readonly watch: Watch;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Aborts when the service stops. */
  readonly stopping: AbortSignal;
}

/**
 * Writes the live stream of an operator: the complete state, then what changes, and a frame at least each second. Each round presents the
 * operator's own token, so the stream ends within a second of the revocation of the session.
 */
export async function writeStream(response: Response, options: StreamOptions): Promise<void> {
  const { session, adminUrl, watch, telemetry, stopping } = options;
  const closed = new AbortController();
  response.on('close', () => closed.abort());
  const signal = AbortSignal.any([closed.signal, stopping, session.ended]);
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  });
  const write = (frame: Frame) => {
    response.write(`event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`);
    if (response.writableLength > MAX_BUFFERED_BYTES) response.destroy();
  };
  const ask = (path: string) => callAsOperator(session, adminUrl + path, { method: 'GET' });
  const changes = createChanges(watch, write);
  let meText = '';
  try {
    write({ type: 'begin', now: options.clock.now() });
    while (!signal.aborted) {
      const began = options.clock.monotonic();
      const me = await readState(watch, ask);
      if (signal.aborted) break;
      if (me === undefined) write({ type: 'unreachable' });
      else {
        const { now, ...stable } = me;
        if (JSON.stringify(stable) !== meText) write({ type: 'me', me });
        meText = JSON.stringify(stable);
        write({ type: 'beat', now });
        if (me.operations.includes('listInstances')) changes.instances();
        if (me.operations.includes('listRevocations')) changes.revocations();
        if (me.operations.includes('listEvents')) changes.events();
      }
      await pause(TICK_MS - (options.clock.monotonic() - began), signal);
    }
  } catch (error) {
    if (!(error instanceof RescindError)) throw error;
    telemetry.log('info', 'console_stream_ended', { code: error.code });
  }
  if (!response.writableEnded && !response.destroyed) {
    if (session.ended.aborted) write({ type: 'ended' });
    response.end();
  }
}

/** Reads what the operator may read. @returns undefined while user-management does not respond: the beats stop, and the page shows that */
async function readState(watch: Watch, ask: (path: string) => Promise<UpstreamResponse>): Promise<Me | undefined> {
  try {
    const me = await readMe(ask);
    const isPermitted = (operation: string) => me?.operations.includes(operation);
    if (isPermitted('listInstances')) await watch.refreshInstances(ask);
    if (isPermitted('listRevocations') && isPermitted('getRevocation')) await watch.refreshRevocations(ask);
    if (isPermitted('listEvents')) await watch.refreshEvents(ask);
    return me;
  } catch (error) {
    if (error instanceof RescindError && error.code === 'issuer_unreachable') return undefined;
    throw error;
  }
}

/** @returns undefined for a response that is not its own, such as that of a proxy */
async function readMe(ask: (path: string) => Promise<UpstreamResponse>): Promise<Me | undefined> {
  const response = await ask('/admin/me');
  const me = jsonOf(response.text) as Partial<Me> | undefined;
  if (response.status === 200) return Array.isArray(me?.operations) ? (me as Me) : undefined;
  if (response.status >= 500) return undefined;
  throw new RescindError('operator_session_missing');
}

/** Writes what has changed since the last call. */
function createChanges(watch: Watch, write: (frame: Frame) => void) {
  const sent = new Map<string, Instance>();
  const receipts = new Map<string, unknown>();
  let revocationsText = '';
  let lastEvent: number | undefined;
  return {
    events() {
      const { events } = watch;
      const items = events.filter(({ seq }) => seq > (lastEvent ?? 0));
      const [first] = items;
      if (first === undefined) return;
      const missed = lastEvent === undefined ? 0 : first.seq - lastEvent - 1;
      lastEvent = items.at(-1)?.seq;
      write({ type: 'events', items, missed });
    },
    instances() {
      const changed = [...watch.instances.values()].filter((one) => !isSame(sent.get(one.id), one));
      const removed = [...sent.keys()].filter((id) => !watch.instances.has(id));
      if (changed.length === 0 && removed.length === 0) return;
      for (const one of changed) sent.set(one.id, one);
      for (const id of removed) sent.delete(id);
      write({ type: 'fleet', now: watch.now, rows: toRows(changed, watch.now), removed });
    },
    revocations() {
      const text = watch.revocations.map(({ txn, published }) => `${txn}${published}`).join();
      if (text !== revocationsText) write({ type: 'revocations', items: watch.revocations });
      revocationsText = text;
      let isNew = false;
      // A stream may be open for weeks.
      for (const txn of receipts.keys()) if (!watch.receipts.has(txn)) receipts.delete(txn);
      for (const [txn, receipt] of watch.receipts) {
        const before = receipts.get(txn);
        if (before === receipt) continue;
        receipts.set(txn, receipt);
        if (before !== undefined && JSON.stringify(before) === JSON.stringify(receipt)) continue;
        write({ type: 'receipt', txn, receipt });
        isNew = true;
      }
      if (isNew) write({ type: 'propagation', points: watch.propagation() });
    },
  };
}

function isSame(before: Instance | undefined, after: Instance): boolean {
  if (before === undefined) return false;
  return (Object.keys(after) as (keyof Instance)[]).every((member) => before[member] === after[member]);
}

/** Waits for this time, or until the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
