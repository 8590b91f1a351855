import type { EpochMillis } from '@rescind/revocation';
import type { ClosingEvents, CommittedLog, LogIdentity, Meta, Outbox, OutboxRow } from '../../store/log.ts';
import type { Access, MetaRow, State } from './state.ts';
import { ascending, keyOf } from './state.ts';

export function createMeta({ state, draft }: Access): Meta {
  const patch = (columns: Partial<MetaRow>) => {
    draft().meta = { ...state().meta, ...columns };
  };
  return {
    clockFloor: async () => state().meta.clockFloor,
    issuer: async () => state().meta.issuer,
    identity: async () => identityOf(state()),
    greatestExp: async () => state().meta.greatestExp,
    timeSince: async () => state().meta.timeSince,
    async raiseClockFloor(floor) {
      patch({ clockFloor: Math.max(floor, state().meta.clockFloor) });
    },
    async setIssuer(issuer) {
      patch({ issuer });
    },
    async openEpoch(epoch) {
      patch({ epoch, head: 0, last: null, floor: 1 });
    },
    async moveHead(head, last) {
      patch({ head, last });
    },
    async moveFloor(floor) {
      patch({ floor: Math.max(floor, state().meta.floor) });
    },
    async setTimeSince(timeSince) {
      patch({ timeSince });
    },
    async setClock(clockFloor) {
      patch({ clockFloor });
    },
    async setSentSeq(sentEpoch, sentSeq) {
      patch({ sentEpoch, sentSeq });
    },
  };
}

export function createOutbox({ state, draft }: Access): Outbox {
  const live = (at: EpochMillis) => rowsOf(state()).filter(({ expiresAt }) => expiresAt > at);
  return {
    lowest: async () => rowsOf(state()).at(0),
    async liveAfter(at, after, limit) {
      const rows = live(at).filter(({ seq }) => seq > after);
      return rows.slice(0, limit);
    },
    lowestLive: async (at) => live(at).at(0)?.seq,
    ofTxn: async (txn) => rowsOf(state()).filter((row) => row.txn === txn),
    async txnsBefore(before, limit) {
      const last = new Map(rowsOf(state()).map(({ txn, seq }) => [txn, { seq, txn }]));
      const rows = [...last.values()].filter(({ seq }) => seq < before).sort((a, b) => b.seq - a.seq);
      return rows.slice(0, limit);
    },
    async append(row) {
      const isTaken = ({ epoch, seq, jti }: OutboxRow) => (epoch === row.epoch && seq === row.seq) || jti === row.jti;
      if ([...state().outbox.values()].some(isTaken)) throw new Error(`there is an event ${row.seq} or ${row.jti}`);
      draft().outbox.set(keyOf(row.epoch, row.seq), row);
    },
    async delete(seq) {
      const row = rowAt(state(), seq);
      if (row !== undefined) draft().outbox.delete(keyOf(row.epoch, row.seq));
    },
    async deleteOtherEpochs() {
      for (const [key, { epoch }] of state().outbox) if (epoch !== state().meta.epoch) draft().outbox.delete(key);
    },
  };
}

export function createClosingEvents({ state, draft }: Access): ClosingEvents {
  return {
    async add(event) {
      draft().closingEvents.set(event.epoch, { ...event, isSent: false });
    },
    async markSent(epoch) {
      const event = state().closingEvents.get(epoch);
      if (event !== undefined) draft().closingEvents.set(epoch, { ...event, isSent: true });
    },
  };
}

/** @param state what is committed */
export function createCommittedLog(state: () => State): CommittedLog {
  return {
    identity: () => identityOf(state()),
    read(after, limit) {
      const rows = rowsOf(state()).filter(({ seq }) => seq > after);
      return rows.slice(0, limit).map(({ seq, type, jws }) => ({ seq, type, jws }));
    },
    idAt: (seq) => rowAt(state(), seq)?.jti,
    lowest: () => rowsOf(state()).at(0),
    eventKid: () =>
      [...state().keys.values()].find(({ purpose, state: its }) => purpose === 'event' && its === 'active')?.kid,
    timeSince: () => state().meta.timeSince,
    greatestExp: () => state().meta.greatestExp,
    sentSeq: (epoch) => (state().meta.sentEpoch === epoch ? state().meta.sentSeq : 0),
    closingEvent: (epoch) => state().closingEvents.get(epoch)?.jws,
    unsentClosingEvents() {
      const unsent = [...state().closingEvents.values()].filter(({ isSent }) => !isSent);
      return unsent.sort((a, b) => ascending(a.epoch, b.epoch)).map(({ epoch, jws }) => ({ epoch, jws }));
    },
  };
}

function identityOf({ meta: { epoch, head, last, floor } }: State): LogIdentity | undefined {
  return epoch === null ? undefined : { epoch, head, last, floor };
}

/** The rows of the present epoch, in order. */
function rowsOf({ meta, outbox }: State): OutboxRow[] {
  return [...outbox.values()].filter(({ epoch }) => epoch === meta.epoch).sort((a, b) => a.seq - b.seq);
}

function rowAt({ meta, outbox }: State, seq: number): OutboxRow | undefined {
  return meta.epoch === null ? undefined : outbox.get(keyOf(meta.epoch, seq));
}
