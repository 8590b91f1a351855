import { createSession } from '@rescind/client';
import { attachSession } from '@rescind/client/axios';
import { createFakeIssuer, createTestClock } from '@rescind/client/test';
import axios, { AxiosError } from 'axios';
import { expect, test, vi } from 'vitest';
import { API, LOGIN } from '../../support/client.ts';

/** An axios instance whose requests reach the fake API. */
function started() {
  const time = createTestClock();
  const issuer = createFakeIssuer({ clock: time.clock, api: API });
  const session = createSession({
    issuer: 'https://login.example',
    apis: [API],
    mode: 'body',
    fetch: issuer.fetch,
    clock: time.clock,
  });
  const instance = axios.create({ adapter: 'fetch', baseURL: API, env: { fetch: issuer.fetch } });
  const detach = attachSession(instance, session);
  return { issuer, session, instance, detach };
}

async function loggedIn() {
  const all = started();
  await all.session.login(LOGIN);
  return all;
}

const refusal = (code: string) => () =>
  new Response(JSON.stringify({ code }), {
    status: 401,
    headers: { 'content-type': 'application/json', 'www-authenticate': 'Bearer error="invalid_token"' },
  });
const prices = `${API}/prices`;

test('sends the access token, to the origins of the session alone', async () => {
  const { instance, issuer } = await loggedIn();
  expect((await instance.get('/prices')).data).toMatchObject({ sid: 'sid-1' });
  await instance.get('https://tracker.example/pixel').catch(() => undefined);
  expect(issuer.requests.slice(-2).map(({ authorization }) => authorization?.slice(0, 7))).toEqual([
    'Bearer ',
    undefined,
  ]);
});

test('repeats a refused request once, with its body', async () => {
  const { instance, issuer } = await loggedIn();
  issuer.apiFaults.push(refusal('token_expired'));
  expect((await instance.post('/prices', { name: 'value' })).status).toBe(200);
  const sent = issuer.requests.filter(({ path }) => path === prices);
  expect(sent.map(({ body }) => body)).toEqual(['{"name":"value"}', '{"name":"value"}']);
  expect(issuer.count('/oauth2/token')).toBe(1);
});

test('repeats a request at most once, and only if its token was refused', async () => {
  const { instance, issuer } = await loggedIn();
  issuer.apiFaults.push(refusal('token_revoked'), refusal('token_revoked'), refusal('token_audience_wrong'));
  await expect(instance.get('/prices')).rejects.toThrow(AxiosError);
  expect([issuer.count(prices), issuer.count('/oauth2/token')]).toEqual([2, 1]);
  await expect(instance.get('/prices')).rejects.toThrow('401');
  expect([issuer.count(prices), issuer.count('/oauth2/token')]).toEqual([3, 1]);
});

test('50 refused requests start one renewal', async () => {
  const { instance, issuer } = await loggedIn();
  issuer.apiFaults.push(...Array.from({ length: 50 }, () => refusal('token_revoked')));
  const responses = await Promise.all(Array.from({ length: 50 }, () => instance.get('/prices')));
  expect([new Set(responses.map(({ status }) => status)), issuer.count('/oauth2/token')]).toEqual([new Set([200]), 1]);
});

test('a detached instance sends no token', async () => {
  const { instance, issuer, detach } = await loggedIn();
  detach();
  await expect(instance.get('/prices')).rejects.toThrow('401');
  expect(issuer.requests.at(-1)?.authorization).toBeNull();
});

test('the fetch adapter of axios takes the fetch of a session as it is', async () => {
  const { session, issuer } = await loggedIn();
  const instance = axios.create({ adapter: 'fetch', env: { fetch: session.fetch } });
  issuer.apiFaults.push(refusal('token_expired'));
  expect((await instance.post(prices, { name: 'value' })).status).toBe(200);
  await vi.waitFor(() => expect(issuer.count(prices)).toBe(2), 10_000);
});

test('sends no token without a login', async () => {
  const { instance, issuer } = started();
  await expect(instance.get('/prices')).rejects.toThrow('401');
  expect([issuer.requests.length, issuer.requests[0]?.authorization]).toEqual([1, null]);
});
