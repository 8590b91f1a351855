import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openService } from '@rescind/service';
import { userManagement } from '@rescind/user-management';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { FEED_SECRET, freePort, issuerEnvironment, openUserManagement } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const basic = (id: string, secret: string) => ({ Authorization: `Basic ${btoa(`${id}:${secret}`)}` });

/** The records of a stream so far. */
function follow(response: Response): { text(): string; ended: Promise<void> } {
  let text = '';
  const read = async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  };
  return { text: () => text, ended: read() };
}

describe('GET /revocations', () => {
  test('requires a secret', async () => {
    const { url } = await openUserManagement();
    const ask = async (headers: Record<string, string>) => {
      const response = await fetch(`${url}/revocations`, { headers });
      await response.body?.cancel();
      return [response.status, response.headers.get('www-authenticate')?.split(' ')[0]];
    };
    expect(await ask({})).toEqual([401, 'Basic']);
    expect(await ask(basic('prices', `${FEED_SECRET}x`))).toEqual([401, 'Basic']);
    expect(await ask(basic('nobody', FEED_SECRET))).toEqual([401, 'Basic']);
    expect(await ask({ Authorization: 'Bearer x' })).toEqual([401, 'Basic']);
    expect(await ask(basic('orders', FEED_SECRET))).toEqual([200, undefined]);
  });

  test('streams a logout as a signed event, and ends when the service stops', async () => {
    const service = await openUserManagement();
    await service.register();
    const { access } = await service.login();
    const response = await fetch(`${service.url}/revocations`, { headers: basic('prices', FEED_SECRET) });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const stream = follow(response);
    await waitFor('a heartbeat', () => stream.text().includes('event: heartbeat'));
    await service.send('/logout', { method: 'POST', headers: service.asBearer(access) });
    const found = await waitFor('the event', () => /event: revocation\ndata: (\S+)/.exec(stream.text()));
    const keys = createRemoteJWKSet(new URL(`${service.url}/.well-known/event-jwks.json`));
    const { payload } = await jwtVerify(found[1] ?? '', keys, { issuer: service.url, typ: 'secevent+jwt' });
    expect(payload.deny).toMatchObject([{ claim: 'sid', endsSession: true }]);
    expect(JSON.stringify(payload)).not.toContain('ada');

    await service.close();
    await stream.ended;
    expect(service.lines.filter((line) => line.includes('requests_cut'))).toEqual([]);
  });

  test('refuses invalid restore evidence', async () => {
    const { url } = await openUserManagement();
    const answer = await fetch(`${url}/revocations/proof`, {
      method: 'POST',
      headers: { ...basic('prices', FEED_SECRET), 'Content-Type': 'application/secevent+jwt' },
      body: 'nonsense',
    });
    expect(answer.status).toBe(400);
    const stranger = await fetch(`${url}/revocations/proof`, { method: 'POST', body: 'x' });
    expect(stranger.status).toBe(401);
  });
});

describe('FEED_CLIENTS_FILE', () => {
  async function startWith(content: string, mode = 0o600) {
    const directory = temporaryDirectory();
    const file = join(directory, 'clients.json');
    const environment = { ...issuerEnvironment(directory, await freePort()), FEED_CLIENTS_FILE: file };
    writeFileSync(file, content);
    chmodSync(file, mode);
    const running = await openService(userManagement, environment, { write: () => undefined });
    await running.close();
  }
  const good = JSON.stringify({ prices: FEED_SECRET });

  test.each([
    ['open to everybody', good, 0o604],
    ['no JSON', '{', 0o600],
    ['a list', '[]', 0o600],
    ['a short secret', '{"prices":"hunter2"}', 0o600],
    ['a colon in an id', JSON.stringify({ 'a:b': FEED_SECRET }), 0o600],
  ])('that is %s is refused, without its secrets', async (_what, content, mode) => {
    const error = await startWith(content, mode).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'configuration_invalid', problems: [{ variable: 'FEED_CLIENTS_FILE' }] });
    expect(String(error)).not.toMatch(/hunter2|feed-secret/);
  });

  test('is accepted when a group may read it, as mounted secrets often are', async () => {
    await startWith(good, 0o640);
  });

  test('admits no reader when it is absent', async () => {
    const { url } = await openUserManagement({ FEED_CLIENTS_FILE: '' });
    const answer = await fetch(`${url}/revocations`, { headers: basic('prices', FEED_SECRET) });
    expect(answer.status).toBe(401);
  });
});
