import type { Telemetry } from '@rescind/revocation';
import type { TableUpdate } from './home.ts';
import { createHome } from './home.ts';
import type { Link, LinkServer } from './links.ts';
import { createLinkServer, openLink } from './links.ts';
import type { LinkRequest } from './messages.ts';
import { TABLES } from './messages.ts';
import type { Refusal } from './table.ts';

export type TableName = (typeof TABLES)[number];

/** A table in the list of all. */
interface LobbyEntry {
  readonly table: TableName;
  readonly players: number;
  readonly watchers: number;
  /** Whether its home can be reached. */
  readonly open: boolean;
}

/** All tables, wherever they live. */
export interface Lobby {
  /** Carries out the request at the home of its table. */
  send(request: LinkRequest): void;
  update(table: TableName): TableUpdate | undefined;
  entries(): LobbyEntry[];
  readonly server: LinkServer | undefined;
  close(): void;
}

export interface LobbyListener {
  onUpdate(update: TableUpdate): void;
  onRefused(key: string, refusal: Refusal): void;
  /** The home of these tables can be reached, or no more. */
  onReach(tables: readonly TableName[], isOpen: boolean): void;
}

export interface LobbyOptions {
  /** Addresses of all instances; none: this is the only one. */
  readonly peers: readonly string[];
  readonly self: string;
  readonly secret: string;
  readonly telemetry: Telemetry;
}

export function createLobby({ peers, self, secret, telemetry }: LobbyOptions, listener: LobbyListener): Lobby {
  const updates = new Map<string, TableUpdate>();
  const away = new Set<TableName>();
  const links = new Map<string, Link>();
  const homeOf = (table: TableName): string => peers[TABLES.indexOf(table) % peers.length] ?? self;

  function receive(update: TableUpdate): void {
    updates.set(update.state.table, update);
    listener.onUpdate(update);
  }

  const home = createHome((update) => {
    server?.send(update);
    receive(update);
  });
  const server = peers.length > 1 ? createLinkServer(secret, home, telemetry) : undefined;
  for (const peer of peers) {
    if (peer === self) continue;
    const tables = TABLES.filter((table) => homeOf(table) === peer);
    for (const table of tables) away.add(table);
    const reach = (isOpen: boolean) => {
      for (const table of tables) {
        if (isOpen) away.delete(table);
        else away.add(table);
      }
      listener.onReach(tables, isOpen);
    };
    const link = openLink(
      peer,
      secret,
      {
        onOpen: () => reach(true),
        onClose: () => reach(false),
        onUpdate: receive,
        onRefused: listener.onRefused,
      },
      telemetry,
    );
    links.set(peer, link);
  }

  return {
    send(request) {
      const link = links.get(homeOf(request.table));
      if (link !== undefined) return link.send(request);
      const refusal = home.handle(request);
      if (refusal !== undefined && request.type === 'act') listener.onRefused(request.key, refusal);
    },
    update: (table) => updates.get(table),
    entries: () =>
      TABLES.map((table) => {
        const state = updates.get(table)?.state;
        const players = state?.players.filter((player) => player !== null).length ?? 0;
        return { table, players, watchers: state?.watchers ?? 0, open: !away.has(table) };
      }),
    server,
    close() {
      for (const link of links.values()) link.close();
      server?.close();
      home.close();
    },
  };
}
