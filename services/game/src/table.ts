import type { Board, Seat } from './four-in-a-row.ts';
import { EMPTY, isFull, landing, place, winningLine } from './four-in-a-row.ts';

/** A member of a table, by one connection. */
export interface Member {
  /** Of the connection, unique in all instances. */
  readonly key: string;
  /** The `sub` of the token: one person plays on one seat only. */
  readonly person: string;
  /** The name that others see. */
  readonly name: string;
}

/** What a player does. */
type Action = { readonly op: 'drop'; readonly column: number } | { readonly op: 'sit' } | { readonly op: 'again' };

/** Why an action had no effect, for the player. */
export type Refusal = 'not_at_table' | 'not_your_turn' | 'column_full' | 'seat_taken' | 'no_game' | 'game_running';

/** A player as others see them. */
interface PlayerView {
  readonly name: string;
  /** Whether one of their connections is open. */
  readonly present: boolean;
  /** What is left on their clock, in ms, when the state was sent. */
  readonly leftMs: number;
}

/** A table as all of its members see it. */
export interface TableState {
  readonly table: string;
  readonly board: Board;
  readonly players: readonly (PlayerView | null)[];
  /** Whose clock runs; null: no game runs. */
  readonly turn: Seat | null;
  readonly result: {
    readonly winner: Seat | null;
    readonly by: 'line' | 'clock' | 'draw';
    readonly line: number[];
  } | null;
  readonly watchers: number;
}

interface Player {
  person: string;
  name: string;
  leftMs: number;
}

export interface Table {
  join(member: Member): void;
  leave(key: string): void;
  act(key: string, action: Action): Refusal | undefined;
  state(): TableState;
  /** The seat of a person. */
  seatOf(person: string): Seat | null;
  members(): Iterable<Member>;
  close(): void;
}

/** Each player's time for a game: with it a game takes two minutes at most. */
const CLOCK_MS = 60_000;

/** @param changed called after each change */
export function createTable(name: string, changed: () => void): Table {
  const members = new Map<string, Member>();
  const players: [Player | null, Player | null] = [null, null];
  let board = EMPTY;
  let turn: Seat | null = null;
  let turnSince = 0;
  let first: Seat = 0;
  let result: TableState['result'] = null;
  let clock: NodeJS.Timeout | undefined;

  const isPresent = (person: string) => [...members.values()].some((member) => member.person === person);
  const seatOf = (person: string): Seat | null => {
    const at = players.findIndex((player) => player?.person === person);
    return at === -1 ? null : (at as Seat);
  };

  function startTurn(seat: Seat): void {
    turn = seat;
    turnSince = performance.now();
    clearTimeout(clock);
    clock = setTimeout(() => finish({ winner: seat === 0 ? 1 : 0, by: 'clock', line: [] }), players[seat]?.leftMs);
  }

  function stopTurn(): void {
    clearTimeout(clock);
    const player = turn === null ? null : players[turn];
    if (player) player.leftMs = Math.max(0, player.leftMs - (performance.now() - turnSince));
    turn = null;
  }

  function finish(of: TableState['result']): void {
    stopTurn();
    result = of;
    releaseSeats();
    changed();
  }

  /** While no game runs, a seat is free as soon as its player has gone. */
  function releaseSeats(): void {
    if (turn !== null) return;
    for (const seat of [0, 1] as const) {
      const player = players[seat];
      if (player !== null && !isPresent(player.person)) players[seat] = null;
    }
    if (players[0] === null && players[1] === null) {
      board = EMPTY;
      result = null;
    }
  }

  function startGame(): void {
    for (const player of players) if (player !== null) player.leftMs = CLOCK_MS;
    board = EMPTY;
    result = null;
    startTurn(first);
    first = first === 0 ? 1 : 0;
  }

  function sit({ person, name: shown }: Member): Refusal | undefined {
    if (turn !== null) return 'game_running';
    if (seatOf(person) !== null) return undefined;
    const free = players.indexOf(null);
    if (free === -1) return 'seat_taken';
    players[free] = { person, name: shown, leftMs: CLOCK_MS };
    if (!players.includes(null)) startGame();
    return undefined;
  }

  function drop(seat: Seat | null, column: number): Refusal | undefined {
    if (turn === null) return 'no_game';
    if (seat !== turn) return 'not_your_turn';
    const at = landing(board, column);
    if (at === undefined) return 'column_full';
    board = place(board, at, seat);
    stopTurn();
    const line = winningLine(board, at);
    if (line !== undefined) result = { winner: seat, by: 'line', line };
    else if (isFull(board)) result = { winner: null, by: 'draw', line: [] };
    else startTurn(seat === 0 ? 1 : 0);
    if (result !== null) releaseSeats();
    return undefined;
  }

  function perform(member: Member, action: Action): Refusal | undefined {
    if (action.op === 'drop') return drop(seatOf(member.person), action.column);
    if (action.op === 'sit') return sit(member);
    if (turn !== null) return 'game_running';
    if (seatOf(member.person) === null || players.includes(null)) return 'no_game';
    startGame();
    return undefined;
  }

  const leftOf = (seat: Seat, { leftMs }: Player) =>
    Math.max(0, Math.round(seat === turn ? leftMs - (performance.now() - turnSince) : leftMs));

  return {
    join(member) {
      members.set(member.key, member);
      sit(member);
      changed();
    },
    leave(key) {
      if (!members.delete(key)) return;
      releaseSeats();
      changed();
    },
    act(key, action) {
      const member = members.get(key);
      if (member === undefined) return 'not_at_table';
      const refusal = perform(member, action);
      if (refusal === undefined) changed();
      return refusal;
    },
    state: () => ({
      table: name,
      board,
      players: ([0, 1] as const).map((seat) => {
        const player = players[seat];
        return player && { name: player.name, present: isPresent(player.person), leftMs: leftOf(seat, player) };
      }),
      turn,
      result,
      watchers: [...members.values()].filter(({ person }) => seatOf(person) === null).length,
    }),
    seatOf,
    members: () => members.values(),
    close: () => clearTimeout(clock),
  };
}
