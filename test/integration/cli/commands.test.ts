import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { EXIT, runCli } from '@rescind/cli';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { operatorEnvironment, rowsOf, runRescind } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { freePort } from '../../support/user-management.ts';

async function started(name?: string) {
  const service = await openAdministered();
  await service.register({ username: 'bob', password: 'correct horse battery' });
  const environment = operatorEnvironment(service, name);
  const rescind = (...parameters: string[]) => runRescind(parameters, environment);
  return { ...service, environment, rescind };
}

const loginOf = (username: string) => ({ username, password: 'correct horse battery' });

describe('lists', () => {
  test('writes sessions to a pipe tab-separated, whole, without colour, times in ISO 8601', async () => {
    const { rescind, login } = await started();
    const name = `Laptop of somebody with a long name ${'x'.repeat(20)}`;
    const { answer } = await login({ deviceName: name });
    const { exitCode, stdout, stderr } = await rescind('sessions', '--user', 'ada');
    expect([exitCode, stderr]).toEqual([0, '']);
    const [row] = rowsOf(stdout);
    expect(row).toMatchObject({ sid: answer.sid, user: 'ada', client: 'web', device: name, state: 'open' });
    expect(row?.['last used']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(stdout).not.toContain('\u001b');
  });

  test('writes one document with the contract by --json, and one a line by --stream', async () => {
    const { rescind } = await started();
    const document = JSON.parse((await rescind('users', '--json')).stdout);
    expect(document.contract).toBe(1);
    expect(document.items.map(({ username }: { username: string }) => username).sort()).toEqual(['ada', 'bob']);
    const lines = (await rescind('users', '--json', '--stream')).stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).contract)).toEqual([1, 1]);
  });

  test('shows control characters and marks of direction as question marks', async () => {
    const user = {
      username: 'a\u202eb\u001b[31m\tc',
      sub: 's',
      state: 'active',
      stateReason: null,
      createdAt: 0,
      lastLoginAt: null,
    };
    const server = createServer((_request, response) => response.end(JSON.stringify({ items: [user] })));
    onTestFinished(() => void server.close());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const { stdout } = await runRescind(
      ['users'],
      operatorEnvironment({ adminUrl: `http://127.0.0.1:${port}`, managementUrl: 'http://127.0.0.1:1' }),
    );
    expect(rowsOf(stdout)[0]?.user).toBe('a?b?[31m?c');
  });

  test('shows no control character of a server in messages, remarks and questions, and none as JSON', async () => {
    const hostile = '\u001b[2J\u009b31m\u202e\r\nnext: rm';
    const environmentOf = async (status: number, body: object) => {
      const server = createServer((_request, response) =>
        response.writeHead(status, { 'X-Request-Id': '\u009b2J' }).end(JSON.stringify(body)),
      );
      onTestFinished(() => void server.close());
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as AddressInfo;
      return operatorEnvironment({ adminUrl: `http://127.0.0.1:${port}`, managementUrl: 'http://127.0.0.1:1' });
    };
    const refusing = await environmentOf(409, { code: `x${hostile}`, title: hostile, detail: hostile });
    const error = { code: hostile, detail: hostile };
    const explaining = await environmentOf(200, {
      error,
      revoked: null,
      entries: [{ claim: hostile, value: hostile }],
    });
    const runs = [
      await runRescind(['users'], refusing),
      await runRescind(['users', '--json'], refusing),
      await runRescind(['explain', '--jti', 's'], explaining),
      await runRescind(['explain', '--jti', 's', '--json'], explaining),
    ];
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([8, 8, 0, 0]);
    const text = runs.map(({ stdout, stderr }) => stdout + stderr).join('');
    expect(text).toContain('rm');
    expect(text.replaceAll(/[\t\n]/g, ' ')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).not.toMatch(/^next: rm/m);
    expect(JSON.parse(runs[3]?.stdout ?? '').entries).toEqual([{ claim: hostile, value: hostile }]);
  });

  test.each([
    ['responds at once', () => 0],
    ['waits for half of what was asked', (seconds: number) => 500 * seconds],
  ])('asks seldom for a receipt, and prints it, when the server %s', async (_how, waitMs) => {
    /** In seconds, one a request. */
    const waits: number[] = [];
    const preview = { sessions: 1, subjects: 1, affectedSessions: 1, affectedSubjects: 1, sids: [], tokensUntil: 0 };
    const receipt = { of: 2, reached: 1, left: 0, complete: false, lastMs: null, missing: [], members: [] };
    const revocation = { txn: 't', epoch: 'e', seq: 1, endedSessions: 1, receipt };
    const server = createServer(({ url = '', headers }, response) => {
      if (!url.endsWith('/t')) {
        response.end(JSON.stringify(url.endsWith('/preview') ? preview : revocation));
        return;
      }
      const seconds = Number(String(headers.prefer).replace('wait=', ''));
      waits.push(seconds);
      setTimeout(() => response.end(JSON.stringify(revocation)), waitMs(seconds));
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const environment = {
      ...operatorEnvironment({ adminUrl: `http://127.0.0.1:${port}`, managementUrl: 'http://127.0.0.1:1' }),
      RESCIND_TIMEOUT: '4s',
    };
    const parameters = ['revoke', '--sub', 's', '--why', 'a test', '--yes', '--wait', '5'];
    const { exitCode, stdout } = await runRescind(parameters, environment);
    expect([exitCode, stdout.includes('1 of 2 instances')]).toEqual([3, true]);
    expect(waits.length).toBeGreaterThan(0);
    expect(waits.length).toBeLessThan(15);
    // Half of RESCIND_TIMEOUT.
    expect(Math.max(...waits)).toBe(2);
  });

  test('ends without an error when nobody reads its output any more', async () => {
    const stdout = new PassThrough();
    const host = { env: {}, stdin: new PassThrough(), stdout, stderr: new PassThrough(), once: () => undefined };
    stdout.write = () => {
      stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      return false;
    };
    expect(await runCli(['--help'], host)).toBe(0);
    stdout.write = () => {
      stdout.emit('error', Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
      return false;
    };
    expect(await runCli(['completion', 'bash'], host)).toBe(1);
    expect(String(host.stderr.read())).toBe('rescind: no space left [output_failed]\n');
  });

  test('finds a session by the first 8 characters of its id', async () => {
    const { rescind, login } = await started();
    const { answer } = await login();
    const { stdout } = await rescind('sessions', 'show', String(answer.sid).slice(0, 8), '--json');
    expect(JSON.parse(stdout).sid).toBe(answer.sid);
    expect((await rescind('sessions', 'show', 'nobodys-id')).exitCode).toBe(6);
  });
});

describe('revoke', () => {
  test('prints the preview and does nothing without a confirmation', async () => {
    const { rescind, login, accepts } = await started();
    const { access } = await login();
    const { exitCode, stdout, stderr } = await rescind('revoke', '--user', 'ada', '--why', 'a test');
    expect([exitCode, stdout]).toEqual([7, '']);
    expect(stderr).toContain('ends 1 session of 1 user; denies tokens of 1 session of 1 user at most');
    expect(stderr).toContain('--yes');
    expect(await accepts(access)).toBe(400);
  });

  test('revokes one user by --yes', async () => {
    const { rescind, login, accepts } = await started();
    const { access } = await login();
    const { exitCode, stdout } = await rescind('revoke', '--user', 'ada', '--why', 'a test', '--yes', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ contract: 1, endedSessions: 1 });
    expect(await accepts(access)).toBe(401);
  });

  test('reports the revocation and ends with 3 when it waits without an instance', async () => {
    const { rescind, login, accepts } = await started();
    const { access } = await login();
    const { exitCode, stdout } = await rescind(
      'revoke',
      '--user',
      'ada',
      '--why',
      'a test',
      '--yes',
      '--wait',
      '1',
      '--json',
    );
    expect([exitCode, JSON.parse(stdout).endedSessions]).toEqual([3, 1]);
    expect(await accepts(access)).toBe(401);
  });

  test('requires the number of sessions, not --yes, for a client', async () => {
    const { rescind, login, accepts } = await started();
    const { access } = await login();
    await login(loginOf('bob'));
    const revoke = (...flags: string[]) => rescind('revoke', '--client', 'web', '--why', 'a test', ...flags);
    expect((await revoke('--yes')).exitCode).toBe(7);
    expect((await revoke('--confirm', '3')).stderr).toContain('2 sessions now, and 3 was confirmed');
    expect(await accepts(access)).toBe(400);
    expect((await revoke('--confirm', '2')).exitCode).toBe(0);
    expect(await accepts(access)).toBe(401);
  });

  test('counts what preview counts, and writes nothing in a dry run', async () => {
    const { rescind, login, accepts } = await started();
    const { access } = await login();
    const preview = await rescind('preview', '--everybody', '--json');
    const dryRun = await rescind('revoke', '--everybody', '--why', 'a test', '--dry-run', '--json');
    expect(JSON.parse(preview.stdout)).toMatchObject({ sessions: 1, subjects: 1 });
    expect(dryRun.stdout).toBe(preview.stdout);
    expect(await accepts(access)).toBe(400);
  });

  test('ends sessions of several users only by their number', async () => {
    const { rescind, login } = await started();
    const sids = [await login(), await login(loginOf('bob'))].map(({ answer }) => String(answer.sid));
    expect((await rescind('sessions', 'end', ...sids, '--why', 'a test', '--yes')).exitCode).toBe(7);
    expect((await rescind('sessions', 'end', ...sids, '--why', 'a test', '--confirm', '2')).exitCode).toBe(0);
    expect(rowsOf((await rescind('sessions', '--ended')).stdout).map(({ state }) => state)).toEqual([
      'ended, ended_by_administrator',
      'ended, ended_by_administrator',
    ]);
  });

  test('reports that a lost answer leaves the outcome open, and that a repeated command had been done', async () => {
    const { rescind, login, environment, adminUrl, accepts } = await started();
    const { access, answer } = await login();
    // Passes requests on, and closes the connection where the answer to a command would come.
    const proxy = createServer(async (request, response) => {
      const { method = 'GET', url = '', headers } = request;
      const { authorization = '' } = headers;
      const body = method === 'GET' ? {} : { body: await text(request) };
      const init = { method, headers: { authorization, 'content-type': 'application/json' }, ...body };
      const passed = await fetch(adminUrl + url, init);
      if (url === '/admin/revocations' && method === 'POST') request.socket.destroy();
      else response.writeHead(passed.status).end(await passed.text());
    });
    onTestFinished(() => void proxy.close());
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    const { port } = proxy.address() as AddressInfo;
    const [sid, prefix] = [String(answer.sid), String(answer.sid).slice(0, 8)];
    const revoke = ['revoke', '--sid', prefix, '--reason', 'device_lost', '--why', 'a test', '--yes'];
    const lost = await runRescind(revoke, { ...environment, RESCIND_SERVER: `http://127.0.0.1:${port}` });
    expect([lost.exitCode, lost.stdout]).toEqual([1, '']);
    expect(lost.stderr).toContain('it may have been done nevertheless [answer_lost]');
    expect(await accepts(access)).toBe(401);
    for (const again of [revoke, ['sessions', 'end', prefix, '--why', 'a test', '--yes']]) {
      const { exitCode, stdout, stderr } = await rescind(...again);
      expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/ended sessions\t0/)]);
      expect(stderr).toContain(`session ${sid} has ended already, 20`);
      expect(stderr).toContain(': device_lost');
    }
    const refused = await runRescind(revoke, {
      ...environment,
      RESCIND_SERVER: `http://127.0.0.1:${await freePort()}`,
    });
    expect(refused.stderr).toContain('[server_unreachable]');
  });
});

describe('explain', () => {
  test('explains a token from a file and from standard input, and refuses it as an argument', async () => {
    const { rescind, login, environment, directory } = await started();
    const { access } = await login();
    await rescind('revoke', '--user', 'ada', '--reason', 'device_lost', '--why', 'a test', '--yes');
    const file = join(directory, 'token');
    writeFileSync(file, access);
    const byFile = await rescind('explain', '--token-file', file, '--json');
    expect(JSON.parse(byFile.stdout)).toMatchObject({
      revoked: true,
      entries: [{ claim: 'sub', reason: 'device_lost' }],
    });
    const byInput = await runRescind(['explain', '--token-file', '-', '--json'], environment, access);
    expect(byInput.stdout).toBe(byFile.stdout);
    const refused = await rescind('explain', '--token', access);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('secret_in_arguments');
    expect(refused.stderr).not.toContain(access.slice(0, 20));
  });
});

describe('keys, clients and users', () => {
  test('rotates a key, and revokes it only with a confirmation', async () => {
    const { rescind } = await started();
    expect((await rescind('keys', 'rotate', '--why', 'a test', '--yes')).exitCode).toBe(0);
    const keys = rowsOf((await rescind('keys')).stdout);
    expect(
      keys
        .filter(({ purpose }) => purpose === 'token')
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['active', 'next']);
    const { kid = '' } = keys.find(({ state, purpose }) => state === 'active' && purpose === 'token') ?? {};
    expect((await rescind('keys', 'revoke', kid, '--why', 'a test')).exitCode).toBe(7);
    expect((await rescind('keys', 'revoke', kid, '--why', 'a test', '--confirm', 'everybody')).exitCode).toBe(0);
    expect((await rescind('keys', 'revoke', 'none', '--why', 'a test', '--confirm', '0')).exitCode).toBe(6);
  });

  test('revokes the key of events, which ends no session', async () => {
    const { rescind, login, accepts } = await started();
    const { access } = await login();
    const eventKeys = async () => rowsOf((await rescind('keys')).stdout).filter(({ purpose }) => purpose === 'event');
    const { kid = '' } = (await eventKeys())[0] ?? {};
    const asked = await rescind('keys', 'revoke', kid, '--why', 'a test');
    expect([asked.exitCode, asked.stderr]).toEqual([7, expect.stringContaining('signs the events of the log')]);
    expect((await rescind('keys', 'revoke', kid, '--why', 'a test', '--confirm', '0')).exitCode).toBe(0);
    const states = (await eventKeys()).map((one) => [one.kid === kid, one.state]).sort();
    expect(states).toEqual([
      [false, 'active'],
      [true, 'revoked'],
    ]);
    expect(await accepts(access)).toBe(400);
  });

  test('lists the users whose names begin so', async () => {
    const { rescind } = await started();
    const found = async (prefix: string) =>
      JSON.parse((await rescind('users', '--prefix', prefix, '--json')).stdout).items.map(
        ({ username }: { username: string }) => username,
      );
    expect([await found('AD'), await found('nobody')]).toEqual([['ada'], []]);
  });

  test('takes an id that begins with a hyphen for no option', async () => {
    const { rescind } = await started();
    for (const id of ['-oXb1ynFRtGW2kD3vQJ8aA', '-oXb1ynF']) {
      const shown = await rescind('users', 'show', id, '--json');
      expect([shown.exitCode, JSON.parse(shown.stderr).code]).toEqual([6, 'not_found']);
    }
    const unknown = await rescind('users', 'show', '-x', 'ada');
    expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining("unknown option '-x'")]);
  });

  test('disables and enables a client, and states what that ends before', async () => {
    const { rescind, ada, subOf, login } = await started();
    await ada.put(`/admin/users/${await subOf()}/scopes`, { scopes: ['admin:fleet:read'], why: 'a test' });
    for (const user of [loginOf('ada'), loginOf('bob')]) await login(user);
    const asked = await rescind('clients', 'disable', 'web', '--why', 'a test');
    expect([asked.exitCode, asked.stdout]).toEqual([7, '']);
    expect(asked.stderr).toContain('disable client web: ends 2 sessions of 2 users');
    expect(asked.stderr).toContain('administrators among them: at most 1');
    expect(asked.stderr).toContain('nobody can log in with web until it is enabled');
    expect((await rescind('clients', 'disable', 'web', '--why', 'a test', '--confirm', '2')).exitCode).toBe(0);
    expect(rowsOf((await rescind('clients')).stdout).find(({ client }) => client === 'web')?.state).toBe('disabled');
    expect((await rescind('clients', 'enable', 'web', '--why', 'a test', '--yes')).exitCode).toBe(0);
  });

  test('states before a third secret that the oldest one ends', async () => {
    const { rescind, ada } = await started();
    await ada.put('/admin/clients/reports', {
      ...{ name: 'Reports', authMethod: 'client_secret_basic', mayIntrospect: true, policy: {}, why: 'a test' },
    });
    const add = () => rescind('clients', 'add-secret', 'reports', '--why', 'a test', '--yes');
    expect([(await add()).stderr, (await add()).stderr]).toEqual(['', '']);
    expect((await add()).stderr).toContain('reports has 2 secrets: the older one ends, even if it is still in use');
  });

  test('suspends and reinstates a user by name', async () => {
    const { rescind } = await started();
    expect(
      (await rescind('users', 'suspend', 'bob', '--reason', 'payment_overdue', '--why', 'a test', '--yes')).exitCode,
    ).toBe(0);
    expect((await rescind('users', 'show', 'bob')).stdout).toContain('suspended');
    expect((await rescind('users', 'reinstate', 'bob', '--why', 'a test', '--yes')).exitCode).toBe(0);
    expect((await rescind('users', 'show', 'nobody')).exitCode).toBe(6);
  });
});

describe('failures', () => {
  test('ends with the exit code of each cause, and with an empty standard output', async () => {
    const { rescind, environment } = await started();
    const wrong = { ...environment, RESCIND_OPERATOR_SECRET: 'not-the-secret-of-ada-0123456789' };
    const nobody = { RESCIND_SERVER: environment.RESCIND_SERVER ?? '' };
    const reader = {
      ...environment,
      RESCIND_OPERATOR: 'reader',
      RESCIND_OPERATOR_SECRET: `${environment.RESCIND_OPERATOR_SECRET?.replace(/ada$/, 'reader')}`,
    };
    const away = { ...environment, RESCIND_SERVER: `http://127.0.0.1:${await freePort()}` };
    const runs = {
      1: await runRescind(['users'], away),
      2: await rescind('users', '--statte', 'active'),
      4: await runRescind(['users'], wrong),
      5: await runRescind(['users'], reader),
      6: await rescind('revocations', 'show', 'none'),
      7: await rescind('revoke', '--everybody', '--why', 'a test'),
    };
    expect(Object.fromEntries(Object.entries(runs).map(([code, run]) => [code, [run.exitCode, run.stdout]]))).toEqual(
      Object.fromEntries(Object.keys(runs).map((code) => [code, [Number(code), '']])),
    );
    expect(runs[2].stderr).toContain('Did you mean --state?');
    expect((await runRescind(['users'], nobody)).exitCode).toBe(4);
  });

  test('writes an error as one JSON line with the code, the next step and the id of the request', async () => {
    const { rescind } = await started();
    const { stderr, stdout } = await rescind('revocations', 'show', 'none', '--json');
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({ contract: 1, code: 'not_found', requestId: expect.stringMatching(/./) });
    expect(JSON.parse((await rescind('sesions', '--json')).stderr)).toMatchObject({
      code: 'usage',
      next: 'Did you mean sessions?',
    });
  });

  test('refuses unknown variables, and credentials by plain http to another machine', async () => {
    const { environment } = await started();
    const unknown = await runRescind(['users'], { ...environment, RESCIND_SEVER: 'http://127.0.0.1:1' });
    expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining('RESCIND_SERVER')]);
    const plain = await runRescind(['users'], { ...environment, RESCIND_SERVER: 'http://admin.example' });
    expect([plain.exitCode, plain.stderr]).toEqual([2, expect.stringContaining('server_insecure')]);
  });

  test('reads a profile, which variables and flags precede', async () => {
    const { environment, adminUrl } = await started();
    const home = temporaryDirectory();
    const folder = join(home, 'rescind');
    mkdirSync(folder);
    const profile = (members: object, mode = 0o600) =>
      writeFileSync(join(folder, 'prod.json'), JSON.stringify(members), { mode });
    const { RESCIND_SERVER: _, ...rest } = environment;
    const run = (...flags: string[]) =>
      runRescind(['users', '--profile', 'prod', ...flags], { ...rest, XDG_CONFIG_HOME: home });
    profile({ production: true, RESCIND_SERVER: adminUrl });
    expect((await run()).exitCode).toBe(0);
    expect((await run('--server', `http://127.0.0.1:${await freePort()}`)).exitCode).toBe(1);
    profile({ RESCIND_SERVRE: adminUrl });
    expect((await run()).stderr).toContain('RESCIND_SERVER');
    expect((await runRescind(['users', '--profile', 'none'], { ...rest, XDG_CONFIG_HOME: home })).exitCode).toBe(2);
  });
});

test('docs/cli.md lists every exit code with its meaning', () => {
  const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| (\d+) +\| (.+?) +\|$/gm)].map(([, code, meaning]) => ({
    code: Number(code),
    meaning,
  }));
  expect(listed).toEqual(Object.values(EXIT));
});
