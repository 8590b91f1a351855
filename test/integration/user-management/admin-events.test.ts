import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { basic, OPERATORS, openAdministered, secretOf, writeOperators } from '../../support/administration.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

interface Event {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly sub: string | null;
  readonly username: string | null;
  readonly sid: string | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly actor: string | null;
  readonly count: number;
}

type Service = Awaited<ReturnType<typeof openAdministered>>;

async function eventsOf({ ada }: Service, query = ''): Promise<Event[]> {
  const { status, body } = await ada.get(`/admin/events${query}`);
  expect(status).toBe(200);
  return body.items as unknown as Event[];
}

const shown = (events: readonly Event[]) => events.map(({ type, reason, actor }) => [type, reason, actor]);

test('states why a user was logged out, and by whom, with the present name of the user', async () => {
  const service = await openAdministered();
  const { sid } = (await service.login()).answer;
  const sub = await service.subOf();
  const body = { cutoffs: [{ claim: 'sid', value: sid }], reason: 'device_lost', why: 'a lost phone' };
  expect((await service.ada.post('/admin/revocations', body)).status).toBe(201);
  const [ended, login, created] = await eventsOf(service, `?sub=${sub}`);
  expect(ended).toMatchObject({ type: 'session_ended', reason: 'device_lost', actor: 'operator:ada', sid, sub });
  expect(ended).toMatchObject({ username: USER.username, clientId: 'web', count: 1, txn: expect.any(String) });
  expect(login).toMatchObject({ type: 'login', actor: 'user', sid, origin: { address: expect.any(String) } });
  expect(created).toMatchObject({ type: 'account_created', actor: 'user', sid: null });
  expect(await eventsOf(service, `?sid=${sid}&type=session_ended`)).toEqual([ended]);
  await service.ada.post(`/admin/users/${sub}/delete`, { why: 'asked for it' });
  const after = await eventsOf(service, `?sub=${sub}`);
  expect(after.map(({ username }) => username)).toEqual([null, null, null, null]);
  expect(JSON.stringify(after)).not.toContain('"address"');
});

test('names whoever ended a session: its user, a client, and the issuer that found a reuse', async () => {
  const service = await openAdministered({ REFRESH_GRACE: '0s', REFRESH_RECOVERY: '0s' });
  const { refresh, login, post, form, asBearer } = service;
  const reused = (await login()).refresh;
  expect((await refresh(reused)).status).toBe(200);
  expect((await refresh(reused)).status).toBe(400);
  await form('/oauth2/revoke', { token: (await login()).refresh, client_id: 'web' });
  expect((await post('/logout', {}, asBearer((await login()).access))).status).toBe(204);
  const { access } = await login();
  const change = { currentPassword: USER.password, newPassword: 'another correct horse' };
  expect((await post('/password', change, asBearer(access))).status).toBe(200);
  const sub = await service.subOf();
  expect(shown(await eventsOf(service, `?sub=${sub}&type=session_ended`))).toEqual([
    ['session_ended', 'password_changed', 'user'],
    ['session_ended', 'logout', 'user'],
    ['session_ended', 'token_revoked', 'client'],
    ['session_ended', 'refresh_token_reused', 'issuer'],
  ]);
  expect(shown(await eventsOf(service, '?type=token_reused'))).toEqual([
    ['token_reused', 'refresh_token_reused', 'issuer'],
  ]);
  const changed = await eventsOf(service, `?sub=${sub}&type=account_changed`);
  expect(shown(changed)).toEqual([['account_changed', 'password_changed', 'user']]);
});

test('records refused logins by user, those of unknown names without the name, and refused refreshes with the reason', async () => {
  const service = await openAdministered();
  const { post, refresh, ada } = service;
  const wrong = (username: string) => post('/login', { username, password: 'wrong horse battery' });
  for (let attempt = 0; attempt < 3; attempt++) expect((await wrong(USER.username)).status).toBe(401);
  await wrong('nobody');
  const { refresh: token } = await service.login();
  const sub = await service.subOf();
  await ada.post(`/admin/users/${sub}/suspend`, { why: 'unpaid', reason: 'payment_overdue' });
  expect((await refresh(token)).status).toBe(400);
  const refused = await waitFor('every refusal is recorded', async () => {
    const found = await eventsOf(service, '?type=login_refused');
    return found.length >= 2 && (await eventsOf(service, '?type=refresh_refused')).length === 1 && found;
  });
  const ofUser = refused.filter((event) => event.sub === sub);
  expect(ofUser[0]).toMatchObject({ code: 'credentials_wrong', username: USER.username });
  expect(refused.find((event) => event.sub === null)).toMatchObject({ code: 'credentials_wrong', username: null });
  const [ofToken] = await eventsOf(service, '?type=refresh_refused');
  expect(ofToken).toMatchObject({ sub, code: 'grant_suspended', reason: 'payment_overdue' });
  expect(JSON.stringify(refused)).not.toContain('nobody');
});

test('refuses the cursor of another filter, and pages through each event once', async () => {
  const service = await openAdministered();
  for (let login = 0; login < 3; login++) await service.login();
  const sub = await service.subOf();
  const seqs: number[] = [];
  for (let after: unknown = ''; after !== undefined; ) {
    const query: string = `?sub=${sub}&limit=1${after === '' ? '' : `&after=${after}`}`;
    const { body } = await service.ada.get(`/admin/events${query}`);
    seqs.push(...(body.items as unknown as Event[]).map(({ seq }) => seq));
    if (after === '') {
      await service.login();
      const { status, body: problem } = await service.ada.get(`/admin/events?limit=1&after=${body.next}`);
      expect([status, problem.code]).toEqual([400, 'request_invalid']);
    }
    after = body.next;
  }
  expect(seqs).toEqual([4, 3, 2, 1]);
  for (const query of ['?after=x', '?type=nonsense', '?since=-1', '?nonsense=1', '?limit=0']) {
    expect((await service.ada.get(`/admin/events${query}`)).status, query).toBe(400);
  }
  expect((await service.as('helpdesk').get('/admin/events')).status).toBe(403);
});

/** Reads the frames of a stream, as objects, until it ends. */
function openStream(url: string, query: string, headers: Record<string, string> = {}) {
  const frames: Record<string, unknown>[] = [];
  const state = { hasEnded: false };
  const left = new AbortController();
  const reading = (async () => {
    const response = await fetch(`${url}/admin/events${query}`, {
      headers: { Accept: 'application/x-ndjson', ...basic('ada'), ...headers },
      signal: left.signal,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform');
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      frames.push(...lines.map((line) => JSON.parse(line)));
    }
    state.hasEnded = true;
  })();
  return {
    frames,
    types: () => frames.flatMap(({ type }) => (type === undefined ? [] : [type])),
    isOpen: () => frames.some((frame) => 'heartbeat' in frame),
    ended: () => reading.then(() => frames.at(-1)),
    async close() {
      left.abort();
      await reading.catch(() => undefined);
    },
  };
}

test('streams events as they commit, from now, from a position, or from a time', async () => {
  const service = await openAdministered();
  const sub = await service.subOf();
  await service.login();
  const live = openStream(service.adminUrl, `?sub=${sub}`);
  await waitFor('the stream is open', live.isOpen);
  await service.login();
  await service.register({ username: 'grace', password: 'correct horse battery' });
  await service.ada.post(`/admin/users/${sub}/log-out`, { why: 'asked for it' });
  await waitFor('three events have arrived', () => live.types().length === 3);
  expect(live.types()).toEqual(['login', 'session_ended', 'session_ended']);
  const [first] = live.frames.filter(({ type }) => type !== undefined);
  await live.close();

  const resumed = openStream(service.adminUrl, '', { 'Last-Event-ID': String(first?.seq) });
  const since = openStream(service.adminUrl, '?since=0&type=login');
  await waitFor('both streams have their events', () => resumed.types().length === 3 && since.types().length === 2);
  expect(resumed.types()).toEqual(['account_created', 'session_ended', 'session_ended']);
  await Promise.all([resumed.close(), since.close()]);
  expect((await service.ada.get('/admin/events?until=9')).status).toBe(200);
  const sse = { Accept: 'text/event-stream', ...basic('ada') };
  for (const query of ['?until=9', '?after=1.2.x']) {
    expect((await fetch(`${service.adminUrl}/admin/events${query}`, { headers: sse })).status).toBe(400);
  }
});

test('sends server-sent events with their position', async () => {
  const service = await openAdministered();
  const left = new AbortController();
  const response = await fetch(`${service.adminUrl}/admin/events?after=0`, {
    headers: { Accept: 'text/event-stream', ...basic('ada') },
    signal: left.signal,
  });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes('heartbeat')) break;
  }
  left.abort();
  expect(text).toMatch(/^event: user-event\nid: 1\ndata: \{.*"type":"account_created".*\}\n\nevent: heartbeat\ndata: /);
});

test('ends a stream whose operator was removed, or lost the scope, with the reason', async () => {
  const directory = temporaryDirectory();
  const operators = (scopes: readonly string[]) => ({
    ada: { secret: secretOf('ada'), scopes: OPERATORS.ada },
    watcher: { secret: secretOf('watcher'), scopes },
  });
  const service = await openAdministered({}, directory);
  const changeOperators = (file: object) => writeOperators(directory, file);
  changeOperators(operators(['admin:events:read']));
  const stream = () => openStream(service.adminUrl, '', basic('watcher'));
  await waitFor('the operator is known', async () => {
    const { status } = await fetch(`${service.adminUrl}/admin/events`, { headers: basic('watcher') });
    return status === 200;
  });
  const streams = [stream(), stream()];
  for (const one of streams) await waitFor('every stream is open', one.isOpen);
  changeOperators(operators(['admin:audit']));
  for (const one of streams) expect(await one.ended()).toEqual({ end: { reason: 'credentials_withdrawn' } });
  expect((await service.ada.get('/admin/events')).status).toBe(200);
});

test('ends its streams when the service stops', async () => {
  const service = await openAdministered();
  const stream = openStream(service.adminUrl, '');
  await waitFor('the stream is open', stream.isOpen);
  await service.close();
  expect(await stream.ended()).toEqual({ end: { reason: 'stopping' } });
});

test('removes the origin of each event of a deleted account, however many there are', async () => {
  const service = await openAdministered();
  const sub = await service.subOf();
  const database = new Database(join(service.directory, 'user-management.sqlite'));
  const flood = database.prepare(
    `WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 20001)
     INSERT INTO rescind_user_events (at, last_at, type, sub, address, count)
     SELECT ? + n, ? + n, 'login_refused', ?, '192.0.2.0/24', 1 FROM many`,
  );
  const at = Date.now() - 60_000;
  flood.run(at, at, sub);
  expect((await service.ada.post(`/admin/users/${sub}/delete`, { why: 'asked for it' })).status).toBe(200);
  const left = database.prepare('SELECT COUNT(*) FROM rescind_user_events WHERE sub = ? AND address IS NOT NULL');
  expect(left.pluck().get(sub)).toBe(0);
  database.close();
});
