/**
 * The page part of the game, without dependencies: draws tables and board into an element, over a socket of Socket.IO that the page has
 * connected, such as by `attachSession` of @rescind/client/socket.io.
 */

const TEXTS = {
  not_at_table: 'Join a table first.',
  not_your_turn: 'It is not your turn.',
  column_full: 'This column is full.',
  seat_taken: 'Both seats are taken: you watch.',
  no_game: 'No game is running.',
  game_running: 'A game is running.',
  table_unreachable: 'This table cannot be reached at the moment. It comes back by itself.',
  message_invalid: 'Please choose a name of letters and digits.',
};

/** Creates an element with properties and children. */
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

const label = (table) => table[0].toUpperCase() + table.slice(1);
const seconds = (ms) => `${Math.ceil(ms / 1000)} s`;

/**
 * @param element where the game is drawn; its content is replaced
 * @param socket a connected socket of Socket.IO, or one that connects
 * @param options `name`: the name that others see
 * @returns a function that leaves the table and removes the game
 */
export function mountGame(element, socket, { name = 'Player' } = {}) {
  let state;
  let receivedAt = 0;
  let table;
  const status = h('p', { className: 'game-status', role: 'status' });
  const tables = h('ul', { className: 'game-tables' });
  const players = h('div', { className: 'game-players' });
  const columns = Array.from({ length: 7 }, (_, column) =>
    h(
      'button',
      { type: 'button', onclick: () => socket.emit('table:act', { op: 'drop', column }) },
      ...Array.from({ length: 6 }, () => h('span', { className: 'game-cell', ariaHidden: 'true' })),
    ),
  );
  const board = h('div', { className: 'game-board', role: 'group', ariaLabel: 'Board' }, ...columns);
  const again = h('button', { type: 'button', onclick: () => socket.emit('table:act', { op: 'again' }) }, 'Play again');
  const sit = h(
    'button',
    { type: 'button', onclick: () => socket.emit('table:act', { op: 'sit' }) },
    'Take the free seat',
  );
  const leave = h('button', { type: 'button', onclick: leaveTable }, 'Leave the table');
  const atTable = h('div', { hidden: true }, players, board, h('p', {}, again, ' ', sit, ' ', leave));
  element.classList.add('game');
  element.replaceChildren(status, tables, atTable);

  function leaveTable() {
    table = undefined;
    state = undefined;
    socket.emit('table:leave');
    draw();
  }

  function joinTable(chosen) {
    table = chosen;
    socket.emit('table:join', { table, name });
  }

  function drawLobby(entries) {
    const focused = document.activeElement?.dataset?.table;
    tables.replaceChildren(
      ...entries.map((entry) => {
        const people = `${entry.players} of 2 play${entry.watchers > 0 ? `, ${entry.watchers} watch` : ''}`;
        const small = h('small', {}, entry.open ? people : 'not reachable');
        const button = { type: 'button', disabled: !entry.open, data: { table: entry.table } };
        return h(
          'li',
          {},
          h('button', { ...button, onclick: () => joinTable(entry.table) }, label(entry.table), small),
        );
      }),
    );
    if (focused) tables.querySelector(`[data-table="${focused}"]`)?.focus();
  }

  function clockOf(seat) {
    const player = state.players[seat];
    const spent = state.turn === seat ? performance.now() - receivedAt : 0;
    return seconds(Math.max(0, player.leftMs - spent));
  }

  function drawPlayers() {
    players.replaceChildren(
      ...state.players.map((player, seat) => {
        const text = player
          ? `${player.name}${state.you === seat ? ' (you)' : ''}${player.present ? '' : ', away'}`
          : 'Free seat';
        const clock = player ? [h('span', { className: 'game-clock' }, clockOf(seat))] : [];
        return h('div', { className: 'game-player', data: { turn: String(state.turn === seat) } }, text, ...clock);
      }),
    );
  }

  function statusText() {
    const { result, turn, you, players: seats } = state;
    const nameOf = (seat) => seats[seat]?.name ?? 'The other player';
    if (result?.by === 'draw') return 'A draw: the board is full.';
    if (result) {
      const by = result.by === 'clock' ? ' on time' : '';
      return result.winner === you ? `You win${by}!` : `${nameOf(result.winner)} wins${by}.`;
    }
    if (turn === null) return you === null ? 'You watch. No game is running.' : 'Waiting for a second player.';
    return turn === you ? 'Your turn: choose a column.' : `${nameOf(turn)} is thinking.`;
  }

  function draw() {
    atTable.hidden = state === undefined;
    tables.hidden = state !== undefined;
    if (state === undefined) {
      status.textContent = 'Choose a table. Whoever comes second plays; others watch.';
      return;
    }
    drawPlayers();
    columns.forEach((button, column) => {
      const cells = [...button.children];
      cells.forEach((cell, row) => {
        const seat = state.board[row * 7 + column];
        cell.dataset.seat = seat === null ? '' : String(seat);
        cell.dataset.line = String(state.result?.line.includes(row * 7 + column) ?? false);
      });
      const pieces = cells.map(({ dataset: { seat } }) =>
        seat === '' ? '' : (state.players[seat]?.name ?? 'a player'),
      );
      const held = pieces.filter((piece) => piece !== '').reverse();
      button.ariaLabel = `Column ${column + 1}: ${held.length === 0 ? 'empty' : `from below ${held.join(', ')}`}`;
      button.disabled = state.turn === null || state.turn !== state.you || held.length === 6;
    });
    again.hidden = state.turn !== null || state.you === null || state.players.includes(null);
    sit.hidden = state.turn !== null || state.you !== null || !state.players.includes(null);
    const text = `${label(state.table)}: ${statusText()}`;
    if (status.textContent !== text) status.textContent = text;
  }

  const listeners = {
    lobby: drawLobby,
    'table:state': (next) => {
      if (next.table !== table) return;
      state = next;
      receivedAt = performance.now();
      draw();
    },
    'table:refused': ({ code }) => {
      status.textContent = TEXTS[code] ?? code;
    },
    // After a new connection the server does not know where this page sat.
    connect: () => {
      if (table) joinTable(table);
    },
    disconnect: () => {
      status.textContent = 'The connection is closed.';
      for (const button of columns) button.disabled = true;
    },
  };
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
  const timer = setInterval(() => {
    if (state !== undefined && state.turn !== null) drawPlayers();
  }, 250);
  draw();
  return () => {
    clearInterval(timer);
    for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
    if (table && socket.connected) socket.emit('table:leave');
    element.replaceChildren();
  };
}
