import { describe, expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { operatorEnvironment, rowsOf, runRescind } from '../../support/cli.ts';
import { environmentOf } from '../../support/cli-stub.ts';

async function started() {
  const service = await openAdministered();
  const environment = operatorEnvironment(service);
  return { ...service, environment, rescind: (...parameters: string[]) => runRescind(parameters, environment) };
}

/** Runs `rescind` where nothing may be sent. */
async function refused(...parameters: string[]) {
  const environment = await environmentOf(() => expect.unreachable());
  const { exitCode, stdout, stderr } = await runRescind([...parameters, '--json'], environment);
  const { message, next } = JSON.parse(stderr) as { message: string; next?: string };
  expect([exitCode, stdout]).toEqual([2, '']);
  return `${message} ${next}`;
}

describe('a wrong command line', () => {
  test('names the nearest command below a command, also with options behind it', async () => {
    expect(await refused('sessions', 'shwo', 'id')).toContain('Did you mean show?');
    expect(await refused('sessions', 'ennd', 'id', '--why', 'a test')).toContain('Did you mean end?');
    expect(await refused('--server', 'http://127.0.0.1:1', 'keys', 'rotat')).toContain('Did you mean rotate?');
  });

  test('names the nearest column, and refuses --fields and --stream where they have no effect', async () => {
    expect(await refused('sessions', '--fields', 'sid,usr')).toContain('Did you mean user?');
    expect(await refused('users', 'show', 'ada', '--fields', 'sub')).toContain('prints none');
    const { exitCode, stderr } = await runRescind(['users', '--stream'], {});
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('requires --json')]);
  });

  test.each([
    [['users', 'ban', '', '--why', 'a test', '--yes']],
    [['sessions', 'end', '', '--why', 'a test', '--yes']],
    [['revoke', '--user=', '--why', 'a test', '--yes']],
  ])('refuses the empty argument of %j, which a shell makes of a variable without a value', async (parameters) => {
    expect(await refused(...parameters)).toContain('An argument is empty');
  });

  test('refuses to keep a session that is to be revoked', async () => {
    const flags = ['--sid', 'a'.repeat(22), '--keep-sessions', '--why', 'a test', '--yes'];
    expect(await refused('revoke', ...flags)).toContain('--keep-sessions excludes --sid');
  });

  test('takes an id of dots for no path', async () => {
    const { rescind } = await started();
    for (const id of ['.', '..']) expect((await rescind('clients', 'show', id)).exitCode, id).toBe(6);
  });
});

describe('what an id or a name selects', () => {
  test('refuses a user whose name is the sub of another one', async () => {
    const { rescind, register } = await started();
    const { sub = '' } = JSON.parse((await rescind('users', 'show', 'ada', '--json')).stdout);
    expect((await rescind('users', 'show', sub)).exitCode).toBe(0);
    await register({ username: sub, password: 'correct horse battery' });
    const { exitCode, stderr } = await rescind('revoke', '--user', sub, '--why', 'a test', '--yes');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('id_ambiguous')]);
  });

  test('takes the first 8 characters of a session in explain and events, and of a revocation with its receipt', async () => {
    const { rescind, login } = await started();
    const sid = String((await login()).answer.sid);
    const ended = await rescind('sessions', 'end', sid.slice(0, 8), '--why', 'a test', '--yes', '--json');
    const { txn } = JSON.parse(ended.stdout);
    expect(rowsOf((await rescind('explain', '--sid', sid.slice(0, 8))).stdout)).toMatchObject([{ value: sid, txn }]);
    const types = rowsOf((await rescind('events', '--sid', sid.slice(0, 8))).stdout).map(({ type }) => type);
    expect(types).toEqual(['session_ended', 'login']);
    const shown = await rescind('revocations', 'show', txn.slice(0, 12), '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ txn, receipt: { of: 0 } });
  });

  test('explains the tokens of a user by name: a cut-off denies those that were issued before it', async () => {
    const { rescind } = await started();
    await rescind('revoke', '--user', 'ada', '--why', 'a test', '--yes');
    const { exitCode, stdout, stderr } = await rescind('explain', '--user', 'ada');
    expect([exitCode, rowsOf(stdout)]).toMatchObject([0, [{ claim: 'sub' }]]);
    expect(stderr).toMatch(/^revoked if issued until \d{4}-.*Z; tokens issued later are not$/m);
  });

  test('names the user, not only the sub, before a revocation', async () => {
    const { rescind } = await started();
    expect((await rescind('revoke', '--user', 'ada', '--why', 'a test')).stderr).toContain('revoke user ada (sub ');
  });

  test('says that a list has more items than it shows', async () => {
    const { rescind, login } = await started();
    await login();
    await login();
    const some = await rescind('sessions', '--limit', '1');
    expect([rowsOf(some.stdout).length, some.stderr]).toEqual([1, '# 1 of more: --limit shows more\n']);
    expect(JSON.parse((await rescind('sessions', '--limit', '1', '--json')).stdout).more).toBe(true);
    expect(JSON.parse((await rescind('sessions', '--limit', '2', '--json')).stdout).more).toBe(false);
  });
});

describe('a server that stalls', () => {
  test.each([
    ['sends nothing', ['users'], () => undefined],
    ['sends nothing', ['events', '--follow'], () => undefined],
    ['stops within the body', ['users'], (response: { write(text: string): void }) => response.write('{"items":[')],
    ['stops within the body', ['status'], (response: { write(text: string): void }) => response.write('{"name":')],
  ])('%s: %j ends after the time-out and says so', async (_how, parameters, send) => {
    const environment = await environmentOf((_, response) => send(response));
    const { exitCode, stdout, stderr } = await runRescind(parameters, { ...environment, RESCIND_TIMEOUT: '300ms' });
    expect([exitCode, stdout, stderr]).toEqual([1, '', expect.stringMatching(/no answer .*\[server_unreachable\]/)]);
  });

  test('is an unreachable one when it breaks off, and names the wait when it limits the rate', async () => {
    const breaking = await environmentOf((_, response) => {
      response.writeHead(200, { 'Content-Length': '100' }).write('{', () => response.destroy());
    });
    expect((await runRescind(['users'], breaking)).stderr).toContain('[server_unreachable]');
    const limiting = await environmentOf((_, response) =>
      response.writeHead(429, { 'Retry-After': '30' }).end('{"code":"rate_limited","title":"Too many requests"}'),
    );
    expect((await runRescind(['users'], limiting)).stderr).toContain('next: repeat it in 30 s');
  });
});

test('doctor names the settings of an instance whose credentials are refused, and those of one that is not ready', async () => {
  const checks = [
    { name: 'ready', status: 'fail' },
    { name: 'transport_http', status: 'warn', lastError: 'unauthorized', members: [{ partition: 3 }] },
  ];
  const environment = await environmentOf(({ url }, response) => {
    if (url === '/readyz') response.writeHead(503);
    response.end(JSON.stringify(url === '/version' ? { name: 'prices', version: '0.1.0' } : { checks }));
  });
  const { exitCode, stdout } = await runRescind(['doctor', '--only', 'processes', '--json'], environment);
  const [ready, transport] = JSON.parse(stdout).items as { evidence: string; cure: string }[];
  expect([exitCode, ready?.cure, transport?.cure]).toEqual([
    10,
    expect.stringContaining('--env-file FILE compares its ISSUER and credentials'),
    expect.stringContaining('correct FEED_CLIENT_ID and FEED_CLIENT_SECRET of that process'),
  ]);
  expect(transport?.evidence).toContain('members [{"partition":3}]');
});
