import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prices } from '@rescind/prices';
import { openService } from '@rescind/service';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { operatorEnvironment, runRescind } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { broker, uniqueTopic } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { FEED_SECRET, freePort } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

async function started() {
  const service = await openAdministered();
  const environment: Record<string, string> = {
    ...operatorEnvironment(service),
    RESCIND_ISSUER: service.url,
    RESCIND_FEED_CLIENT_ID: 'prices',
    RESCIND_FEED_CLIENT_SECRET: FEED_SECRET,
  };
  return { ...service, environment };
}

/** The codes of what does not pass, and the exit code. */
async function diagnose(environment: Record<string, string>, ...flags: string[]) {
  const { exitCode, stdout, stderr } = await runRescind(['doctor', '--json', ...flags], environment);
  const { items } = JSON.parse(stdout || stderr) as { items: { code: string; status: string; cure?: string }[] };
  const wrong = items.filter(({ status }) => status !== 'pass');
  expect(wrong.filter(({ cure }) => cure === undefined)).toEqual([]);
  return [exitCode, ...wrong.map(({ code }) => code)];
}

function environmentFile(variables: Record<string, string>): string {
  const file = join(temporaryDirectory(), 'service.env');
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, lines.join('\n'));
  return file;
}

describe('doctor', () => {
  test('finds nothing wrong with a healthy service', async () => {
    const { environment } = await started();
    expect(await diagnose(environment)).toEqual([0]);
  });

  test('names the groups that it has not examined, and refuses to examine nothing', async () => {
    const { environment } = await started();
    const { RESCIND_ISSUER: _issuer, ...noIssuer } = environment;
    const examined = await runRescind(['doctor', '--json'], noIssuer);
    const skipped = (JSON.parse(examined.stdout).skipped as { group: string }[]).map(({ group }) => group);
    expect(skipped).toEqual(['configuration', 'issuer', 'log', 'kafka', 'disk']);
    const { exitCode, stderr } = await runRescind(['doctor', '--only', 'kafka'], environment);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('kafka (requires KAFKA_BROKERS)')]);
  });

  test('names each fault by its code, and nothing else', async () => {
    const { environment, url } = await started();
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const cases: [Record<string, string>, string][] = [
      [{ RESCIND_SERVER: nowhere }, 'server_unreachable'],
      [{ RESCIND_SERVER: url }, 'server_unexpected'],
      [{ RESCIND_OPERATOR_SECRET: 'not-the-secret-of-ada-0123456789' }, 'credentials_wrong'],
      [{ RESCIND_MANAGEMENT: `${environment.RESCIND_MANAGEMENT},${nowhere}` }, 'process_unreachable'],
      [{ RESCIND_MANAGEMENT: url }, 'process_unexpected'],
      [{ RESCIND_ISSUER: 'http://issuer.example', RESCIND_ISSUER_URL: url }, 'issuer_differs'],
      [{ RESCIND_FEED_CLIENT_SECRET: 'not-the-secret-of-prices-0123456789' }, 'feed_credentials_wrong'],
    ];
    for (const [wrong, code] of cases) expect(await diagnose({ ...environment, ...wrong }), code).toEqual([10, code]);
  });

  test('names a service that refuses the tokens of everybody for its audience', async () => {
    const { environment, url, login } = await started();
    const directory = temporaryDirectory();
    const settings = {
      ...{ ISSUER: url, AUDIENCE: 'price', PORT: '0', MANAGEMENT_PORT: '0' },
      ...{
        DENYLIST_PATH: join(directory, 'denylist.sqlite'),
        FEED_CLIENT_ID: 'prices',
        FEED_CLIENT_SECRET: FEED_SECRET,
      },
    };
    const running = await openService(prices, settings, { write: () => undefined });
    onTestFinished(() => running.close());
    const { access } = await login({ resource: undefined });
    const ask = async () => {
      const headers = { authorization: `Bearer ${access}` };
      return ((await (await fetch(`${running.url}/prices`, { headers })).json()) as { code: string }).code;
    };
    await waitFor('the refusal', async () => (await ask()) === 'token_audience_wrong');
    for (let at = 0; at < 4; at++) await ask();
    const asked = { ...environment, RESCIND_MANAGEMENT: running.managementUrl };
    expect(await diagnose(asked, '--only', 'processes')).toEqual([0, 'tokens_not_for_it']);
  });

  test('names the issuer that a running service reads when another one is configured', async () => {
    const { environment, url } = await started();
    const settings = {
      ...{ ISSUER: `${url}/`, ISSUER_URL: url, PORT: '0', MANAGEMENT_PORT: '0', FEED_CLIENT_SECRET: FEED_SECRET },
      DENYLIST_PATH: join(temporaryDirectory(), 'denylist.sqlite'),
    };
    const service = await openService(prices, settings, { write: () => undefined });
    onTestFinished(() => service.close());
    const RESCIND_MANAGEMENT = String(service.managementUrl);
    const found = await waitFor(
      'the finding',
      async () => {
        const { stdout } = await runRescind(['doctor', '--only', 'processes', '--json'], {
          ...environment,
          RESCIND_MANAGEMENT,
        });
        const { items } = JSON.parse(stdout) as { items: { code: string; cure: string }[] };
        return items.find(({ code }) => code === 'health_transport');
      },
      20_000,
    );
    expect(found.cure).toContain(`set ISSUER of that process to ${url}, character by character (it is ${url}/)`);
  });

  test('names a missing topic and an unsuitable setting of it', async () => {
    const { environment } = await started();
    const { brokers } = await broker();
    const topic = uniqueTopic();
    const kafka = { ...environment, KAFKA_BROKERS: brokers.join(','), KAFKA_TOPIC: topic };
    expect(await diagnose(kafka, '--only', 'kafka')).toEqual([10, 'topic_unsuitable']);
    const owner = testTopic(brokers, topic);
    await owner.create({ 'cleanup.policy': 'compact' });
    expect(await diagnose(kafka, '--only', 'kafka')).toEqual([10, 'topic_unsuitable']);
    await owner.set({
      'cleanup.policy': 'delete',
      'message.timestamp.type': 'LogAppendTime',
      'compression.type': 'producer',
      'retention.ms': '604800000',
      'retention.bytes': '-1',
    });
    expect(await diagnose(kafka, '--only', 'kafka')).toEqual([0]);
    const away = { ...kafka, KAFKA_BROKERS: `127.0.0.1:${await freePort()}` };
    expect(await diagnose(away, '--only', 'kafka')).toEqual([10, 'kafka_unreachable']);
  });

  test('examines the configuration of a service before its start', async () => {
    const { environment, url, directory } = await started();
    const right = {
      ISSUER: url,
      FEED_CLIENT_SECRET: FEED_SECRET,
      FEED_CLIENT_ID: 'prices',
      DENYLIST_PATH: join(directory, 'denylist.sqlite'),
    };
    const examine = (variables: Record<string, string>) =>
      diagnose(
        environment,
        '--pre',
        '--only',
        'configuration',
        '--only',
        'issuer',
        '--only',
        'log',
        '--service',
        'prices',
        '--env-file',
        environmentFile(variables),
      );
    expect(await examine(right)).toEqual([0]);
    expect(await examine({ ...right, MAX_STALENESS: 'soon' })).toEqual([10, 'variable_invalid']);
    expect(await examine({ ...right, ISSUER: 'http://127.0.0.1:1' })).toEqual([
      10,
      'issuer_unreachable',
      'log_unreachable',
    ]);
    expect(await examine({ ...right, FEED_CLIENT_SECRET: 'not-the-secret-of-prices-0123456789' })).toEqual([
      10,
      'feed_credentials_wrong',
    ]);
  });
});

test('config check judges by the rules of the service, and names the variable', async () => {
  const check = (variables: Record<string, string>) => runRescind(['config', 'check', environmentFile(variables)], {});
  const right = { ISSUER: 'https://login.example', AUDIENCE: 'prices' };
  expect((await check(right)).exitCode).toBe(0);
  const wrong = await check({ ...right, ACCESS_TOKEN_TTL: '1500ms', PORT: 'eighty' });
  expect([wrong.exitCode, wrong.stdout]).toEqual([10, expect.stringMatching(/variable_invalid\tPORT /)]);
});

test('status ends with 10 for a process that is away, and with 1 when none can be asked', async () => {
  const { environment } = await started();
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const status = (management: string) => runRescind(['status'], { ...environment, RESCIND_MANAGEMENT: management });
  expect((await status(String(environment.RESCIND_MANAGEMENT))).exitCode).toBe(0);
  expect((await status(`${environment.RESCIND_MANAGEMENT},${nowhere}`)).exitCode).toBe(10);
  expect(await status(nowhere)).toMatchObject({ exitCode: 1, stdout: '' });
});

test('the completion of bash offers commands and options without asking a server', async () => {
  const { stdout } = await runRescind(['completion', 'bash'], {});
  const complete = (...words: string[]) =>
    execFileSync('bash', [
      '-c',
      `${stdout}\nCOMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _rescind; echo "\${COMPREPLY[@]}"`,
    ])
      .toString()
      .trim();
  expect(complete('rescind', 'sess')).toBe('sessions');
  expect(complete('rescind', 'sessions', 'e')).toBe('end');
  expect(complete('rescind', '--json', 'revoke', '--ev')).toBe('--everybody');
  expect(complete('rescind', 'completion', 'z')).toBe('zsh');
  // Where no word fits, as behind --env-file, bash completes the names of files.
  expect(execFileSync('bash', ['-c', `${stdout}\ncomplete -p rescind`]).toString()).toContain('-o default');
  const document = await runRescind(['completion', 'bash', '--json'], {});
  expect(JSON.parse(document.stdout)).toEqual({ contract: 1, shell: 'bash', script: stdout });
});

const hasZsh = spawnSync('zsh', ['--version']).status === 0;

test.skipIf(!hasZsh).each([
  ['installed as a function', 'fpath=($DIRECTORY $fpath); autoload -Uz compinit; compinit -u -D'],
  ['sourced', 'autoload -Uz compinit; compinit -u -D; source $DIRECTORY/_rescind'],
])('the completion of zsh, %s, completes a typed line', async (_how, setup) => {
  const DIRECTORY = temporaryDirectory();
  const { stdout } = await runRescind(['completion', 'zsh'], {});
  writeFileSync(join(DIRECTORY, '_rescind'), stdout);
  writeFileSync(join(DIRECTORY, 'a-token'), '');
  // Types each line with a tab into an interactive zsh, and waits for what completes it; the longest time is that of the process.
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'unset zle_bracketed_paste; PS1=""; cd $DIRECTORY; ${setup}; print set${'""'}up'
    zpty -r shell seen '*setup*'
    type() {
      zpty -w -n shell $'\\C-u'"$1"$'\\t'
      zpty -r shell seen "*$2*" &&
      print -r -- "$2"
    }
    type 'rescind revoc' 'rescind revocations '
    type 'rescind users sus' 'rescind users suspend '
    type 'rescind --json revoke --ev' 'rescind --json revoke --everybody '
    type 'rescind completion z' 'rescind completion zsh '
    type 'rescind explain --token-file a-' 'rescind explain --token-file a-token '
  `;
  const run = spawnSync('zsh', ['-f', '-c', script], {
    env: { ...process.env, DIRECTORY, TERM: 'dumb' },
    timeout: 30_000,
  });
  expect(String(run.stdout).trimEnd().split('\n')).toEqual([
    'rescind revocations ',
    'rescind users suspend ',
    'rescind --json revoke --everybody ',
    'rescind completion zsh ',
    'rescind explain --token-file a-token',
  ]);
});
