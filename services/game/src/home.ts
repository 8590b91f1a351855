import type { Seat } from './four-in-a-row.ts';
import type { LinkRequest } from './messages.ts';
import type { Member, Refusal, Table, TableState } from './table.ts';
import { createTable } from './table.ts';

/** The state of a table, with the seats of its players by their `sub`, which stays between instances. */
export interface TableUpdate {
  readonly state: TableState;
  readonly seats: Readonly<Record<string, Seat>>;
}

/** The tables that live at this instance. */
export interface Home {
  /** @returns why it had no effect; undefined: it had one */
  handle(request: LinkRequest): Refusal | undefined;
  /** All tables that have had a member. */
  updates(): TableUpdate[];
  close(): void;
}

/** @param changed called with each change of a table */
export function createHome(changed: (update: TableUpdate) => void): Home {
  const tables = new Map<string, Table>();

  function tableOf(name: string): Table {
    const known = tables.get(name);
    if (known !== undefined) return known;
    const table = createTable(name, () => changed(updateOf(table)));
    tables.set(name, table);
    return table;
  }

  return {
    handle(request) {
      const table = tableOf(request.table);
      if (request.type === 'act') return table.act(request.key, request.action);
      if (request.type === 'join') table.join(request.member);
      else table.leave(request.key);
      return undefined;
    },
    updates: () => [...tables.values()].map(updateOf),
    close() {
      for (const table of tables.values()) table.close();
    },
  };
}

function updateOf(table: Table): TableUpdate {
  const seats: Record<string, Seat> = {};
  for (const { person } of table.members() as Iterable<Member>) {
    const seat = table.seatOf(person);
    if (seat !== null) seats[person] = seat;
  }
  return { state: table.state(), seats };
}
