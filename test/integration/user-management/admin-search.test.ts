import { expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { USER } from '../../support/user-management.ts';

async function withPeople(names: readonly string[]) {
  const service = await openAdministered();
  for (const username of names) {
    expect((await service.post('/register', { username, password: 'correct horse battery' })).status).toBe(201);
  }
  const found = async (query: string) => {
    const { status, body } = await service.ada.get(`/admin/users?${query}`);
    return [status, (body.items as { username: string }[] | undefined)?.map(({ username }) => username).sort()];
  };
  return { ...service, found };
}

test('finds the users whose names begin so, in any case and normalization', async () => {
  const { found, ada, subOf } = await withPeople(['grace', 'Graham', 'greta', 'gr_ce', 'éva']);
  expect(await found('prefix=gra')).toEqual([200, ['Graham', 'grace']]);
  expect(await found('prefix=GRA')).toEqual([200, ['Graham', 'grace']]);
  expect(await found(`prefix=${encodeURIComponent('gr_')}`)).toEqual([200, ['gr_ce']]);
  expect(await found(`prefix=${encodeURIComponent('e\u0301')}`)).toEqual([200, ['éva']]);
  expect(await found('prefix=zz')).toEqual([200, []]);
  expect(await found('prefix=gra&state=suspended')).toEqual([200, []]);
  expect((await found('prefix='))[0]).toBe(400);
  await ada.post(`/admin/users/${await subOf('grace')}/delete`, { why: 'asked for it' });
  expect(await found('prefix=gra')).toEqual([200, ['Graham']]);
});

test('pages through the users of a prefix, each once', async () => {
  const { ada } = await withPeople(['ab1', 'ab2', 'ab3', 'b1']);
  const names: string[] = [];
  for (let next: string | undefined = ''; next !== undefined; ) {
    const { body }: Awaited<ReturnType<typeof ada.get>> = await ada.get(
      `/admin/users?prefix=ab&limit=1${next && `&after=${next}`}`,
    );
    names.push(...(body.items as { username: string }[]).map(({ username }) => username));
    next = body.next as string | undefined;
  }
  expect(names.sort()).toEqual(['ab1', 'ab2', 'ab3']);
});

test('lists sessions with the names of their users, and none of a deleted account', async () => {
  const { ada, login, subOf } = await withPeople([]);
  await login();
  const sub = await subOf();
  const list = async () =>
    (await ada.get(`/admin/sessions?sub=${sub}&ended=true`)).body.items as { sid: string; username: string | null }[];
  const [session] = await list();
  expect(session?.username).toBe(USER.username);
  expect((await ada.get(`/admin/sessions/${session?.sid}`)).body.username).toBe(USER.username);
  await ada.post(`/admin/users/${sub}/delete`, { why: 'asked for it' });
  expect((await list()).map(({ username }) => username)).toEqual([null]);
});
