import { randomUUID } from 'node:crypto';
import type { Telemetry } from '@rescind/revocation';
import type { Server, Socket } from 'socket.io';
import type { TableUpdate } from './home.ts';
import type { LobbyOptions, TableName } from './lobby.ts';
import { createLobby } from './lobby.ts';
import { actionMessage, joinMessage } from './messages.ts';

/** A socket at a table. */
interface Seated {
  readonly socket: Socket;
  readonly table: TableName;
  readonly member: { readonly key: string; readonly person: string; readonly name: string };
}

/** The game over guarded sockets. */
export interface Play {
  readonly lobby: ReturnType<typeof createLobby>;
  close(): void;
}

/**
 * Serves the game to the sockets of a guarded server. A page sends `table:join` `{ table, name }`, `table:act` (`drop`, `sit`, `again`) and
 * `table:leave`; it gets `lobby`, `table:state` with its own seat (`you`), and `table:refused`.
 */
export function createPlay(io: Server, options: Omit<LobbyOptions, 'telemetry'>, telemetry: Telemetry): Play {
  const seated = new Map<string, Seated>();
  const roomOf = (table: string) => `table:${table}`;
  const lobby = createLobby(
    { ...options, telemetry },
    {
      onUpdate(update) {
        for (const one of seated.values()) if (one.table === update.state.table) sendState(one, update);
        io.emit('lobby', lobby.entries());
      },
      onRefused: (key, code) => void seated.get(key)?.socket.emit('table:refused', { code }),
      onReach(tables, isOpen) {
        for (const { socket, table, member } of seated.values()) {
          if (!tables.includes(table)) continue;
          if (isOpen) lobby.send({ type: 'join', table, member });
          else socket.emit('table:refused', { code: 'table_unreachable' });
        }
        io.emit('lobby', lobby.entries());
      },
    },
  );

  function sendState({ socket, member }: Seated, { state, seats }: TableUpdate): void {
    socket.emit('table:state', { ...state, you: seats[member.person] ?? null });
  }

  io.on('connection', (socket) => {
    // The claims of the token, which the guard has verified.
    const person = String(socket.data.auth.payload.sub);
    const key = randomUUID();

    function leave(): void {
      const one = seated.get(key);
      if (one === undefined) return;
      seated.delete(key);
      void socket.leave(roomOf(one.table));
      lobby.send({ type: 'leave', table: one.table, key });
    }

    socket.on('table:join', (message: unknown) => {
      const parsed = joinMessage.safeParse(message);
      if (!parsed.success) return void socket.emit('table:refused', { code: 'message_invalid' });
      leave();
      const { table, name } = parsed.data;
      const member = { key, person, name };
      seated.set(key, { socket, table, member });
      void socket.join(roomOf(table));
      lobby.send({ type: 'join', table, member });
    });
    socket.on('table:act', (message: unknown) => {
      const parsed = actionMessage.safeParse(message);
      const one = seated.get(key);
      if (!parsed.success || one === undefined) {
        return void socket.emit('table:refused', { code: parsed.success ? 'not_at_table' : 'message_invalid' });
      }
      lobby.send({ type: 'act', table: one.table, key, action: parsed.data });
    });
    socket.on('table:leave', leave);
    // A session that ends leaves the table at once.
    socket.on('disconnect', leave);
    socket.emit('lobby', lobby.entries());
  });

  return { lobby, close: () => lobby.close() };
}
