import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ConfigurationError,
  guardSettings,
  kafkaConnection,
  kafkaSettings,
  processSettings,
  readConfiguration,
  setting,
} from '@rescind/service/configuration';
import { configurationTable, environmentNotes } from '@rescind/service/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { temporaryDirectory } from '../../support/directory.ts';

const about = 'Something';

function problemsOf(settings: Parameters<typeof readConfiguration>[0], environment: Record<string, string>) {
  try {
    readConfiguration(settings, environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('durations', () => {
  const settings = z.object({ TTL: setting.duration({ about, atLeast: '1s', atMost: '30d' }) });

  test.each([
    ['1500ms', 1_500],
    ['10s', 10_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['30d', 2_592_000_000],
  ])('%s is %d ms', (text, ms) => {
    expect(readConfiguration(settings, { TTL: text })).toEqual({ TTL: ms });
  });

  test.each([
    '300',
    '0',
    '1.5h',
    '-1s',
    '15 m',
    '15M',
    'm',
    '1e3s',
    '1d12h',
    'Infinity',
    '500ms',
    '31d',
    '9'.repeat(20),
  ])('%s is refused, with the required unit', (text) => {
    const [problem] = problemsOf(settings, { TTL: text });
    expect(problem?.variable).toBe('TTL');
    expect(problem?.problem).toContain(`was given "${text}"`);
    expect(problem?.problem).toContain('must be a number with a unit, such as 500ms, 10s, 15m, 12h or 30d');
  });
});

describe('invalid values of each kind', () => {
  test.each([
    ['port', setting.port({ about }), ['-1', '65536', '80a', '8e3', '0x50', ' 80']],
    ['count', setting.count({ about, atLeast: 1, atMost: 9 }), ['0', '10', '1.5', 'many']],
    [
      'url',
      setting.url({ about }),
      ['localhost:3000', '/a', 'ftp://a', 'http://u:p@a', 'http://a?b', 'http://a#b', 'x'],
    ],
    ['list', setting.list({ about }), [',', 'a,', 'a,,b', 'a,a', 'a, a']],
    ['flag', setting.flag({ about }), ['yes', '1', 'TRUE', 'on']],
    ['choice', setting.choice({ about, of: ['deny', 'allow'] }), ['Deny', 'maybe']],
    ['log level', setting.logLevel({ about }), ['trace', 'INFO', '30']],
    ['path', setting.path({ about }), ['a\u0000b', 'a\nb']],
    ['text', setting.text({ about }), ['a\nb', '\u001b[31m']],
    ['PEM', setting.pem({ about }), ['abc', '-----BEGIN X-----']],
  ])('%s', (_kind, schema, refused) => {
    const settings = z.object({ IT: schema });
    for (const text of refused) {
      const [problem] = problemsOf(settings, { IT: text });
      expect(problem?.problem).toMatch(/^was given .*; must be /);
    }
  });

  test('credentials and query of a URL are not shown', () => {
    const settings = z.object({ IT: setting.url({ about }), THESE: setting.optional(setting.list({ about })) });
    for (const text of [
      'http://ada:hunter2@host/a',
      'http://a@b:hunter2@host',
      'https://host/a?token=hunter2',
      'ftp://hunter2@a',
    ]) {
      const [problem] = problemsOf(settings, { IT: text });
      expect(problem?.problem).toMatch(/^was given .*…/);
      expect(problem?.problem).not.toContain('hunter2');
    }
    const [problem] = problemsOf(settings, { IT: 'https://host', THESE: 'http://ada:hunter2@host,' });
    expect(problem?.problem).not.toContain('hunter2');
  });

  test('accepts valid values', () => {
    const settings = z.object({
      PORT: setting.port({ about }),
      LIST: setting.list({ about }),
      ON: setting.flag({ about }),
      URL: setting.url({ about }),
      LEVEL: setting.logLevel({ about, default: 'info' }),
      ABSENT: setting.optional(setting.text({ about })),
    });
    const environment = { PORT: '0', LIST: 'a, b,c', ON: 'true', URL: 'https://id.example/', LEVEL: '', PATH: '/bin' };
    expect(readConfiguration(settings, environment)).toEqual({
      PORT: 0,
      LIST: ['a', 'b', 'c'],
      ON: true,
      URL: 'https://id.example/',
      LEVEL: 'info',
    });
  });

  test('refuses an invalid default', () => {
    const settings = z.object({ TTL: setting.duration({ about, default: '15' }) });
    expect(problemsOf(settings, {})).toHaveLength(1);
  });
});

test('reports all errors at once, by variable', () => {
  const settings = z.object({
    A: setting.url({ about }),
    B: setting.duration({ about }),
    C: setting.secret({ about }),
  });
  const problems = problemsOf(settings, { B: '5', C: 'short', RESCIND_D: 'x' });
  expect(problems.map(({ variable }) => variable)).toEqual(['RESCIND_D', 'A', 'B', 'C']);
  expect(problems[1]?.problem).toMatch(/^is not set; must be an absolute http or https URL/);
});

describe('unknown names with our prefix', () => {
  const settings = z.object({
    ...processSettings({ public: 1, management: 2 }),
    ...guardSettings('prices'),
    ...kafkaSettings('prices'),
  });
  const right = { ISSUER: 'http://localhost', FEED_CLIENT_SECRET: 'x'.repeat(32) };

  test.each([
    ['RESCIND_MAX_STALENES', 'MAX_STALENESS'],
    ['RESCIND_KAFKA_BROKER', 'KAFKA_BROKERS'],
    ['RESCIND_FEED_SECRET_FILE', 'FEED_CLIENT_SECRET_FILE'],
    ['RESCIND_PORT', 'PORT'],
  ])('%s: the nearest is %s', (variable, nearest) => {
    const problems = problemsOf(settings, { ...right, [variable]: 'x' });
    expect(problems).toEqual([{ variable, problem: `is not a variable of this service; the nearest is ${nearest}` }]);
  });
});

describe('the variables of the command line', () => {
  const settings = z.object({ ...guardSettings('prices') });
  const right = { ISSUER: 'http://localhost', FEED_CLIENT_SECRET: 'x'.repeat(32) };
  const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  const names = [...new Set(page.match(/\bRESCIND_[A-Z_]+\b/g))].filter((name) => !name.endsWith('_'));

  test('have no effect on a service that is started from the same shell', () => {
    expect(names.length).toBeGreaterThan(9);
    const environment = {
      ...right,
      ISSUER_URL: 'http://127.0.0.1',
      ...Object.fromEntries(names.map((name) => [name, 'x'])),
    };
    const { misspelt } = environmentNotes(readConfiguration(settings, environment));
    expect(misspelt.map(({ variable }) => variable)).toEqual(['RESCIND_FEED_CLIENT_ID']);
  });

  test('are remarked upon in place of a variable of the service', () => {
    const { misspelt } = environmentNotes(
      readConfiguration(settings, { ...right, RESCIND_ISSUER_URL: 'http://127.0.0.1' }),
    );
    expect(misspelt).toEqual([
      {
        variable: 'RESCIND_ISSUER_URL',
        problem: 'is not a variable of this service and has no effect; ISSUER_URL is one',
      },
    ]);
  });
});

describe('secrets', () => {
  const settings = z.object({ KEY: setting.secret({ about }) });
  const secret = 'correct-horse-battery-staple';

  test('are read from a file, without the final line end', () => {
    const path = join(temporaryDirectory(), 'key');
    writeFileSync(path, `${secret}\n`);
    expect(readConfiguration(settings, { KEY_FILE: path })).toEqual({ KEY: secret });
  });

  test('are refused when both the variable and the file are set', () => {
    const [problem] = problemsOf(settings, { KEY: secret, KEY_FILE: '/nowhere' });
    expect(problem).toEqual({ variable: 'KEY', problem: 'is set, and so is KEY_FILE; must be one of them only' });
  });

  test('report a missing file once', () => {
    const problems = problemsOf(settings, { KEY_FILE: '/nowhere/key' });
    expect(problems).toHaveLength(1);
    expect(problems[0]?.variable).toBe('KEY_FILE');
    expect(problems[0]?.problem).toContain('(ENOENT)');
  });

  test('are not read from a directory, a pipe or a device', () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o700);
    const pipe = join(directory, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    for (const path of [directory, pipe, '/dev/zero']) {
      expect(problemsOf(settings, { KEY_FILE: path })[0]?.problem).toContain('(not a file)');
    }
  });

  test('are in no message', () => {
    for (const value of ['hunter2', 'correct-horse\nbattery-staple']) {
      const problems = problemsOf(settings, { KEY: value });
      expect(JSON.stringify(problems)).not.toContain(value.slice(0, 7));
      expect(problems[0]?.problem).toBe('was given (not shown); must be one line of at least 16 characters');
    }
  });
});

describe('Kafka', () => {
  const settings = z.object(kafkaSettings('prices'));
  const read = (environment: Record<string, string>) => kafkaConnection(readConfiguration(settings, environment));

  test('has no connection without brokers', () => {
    expect(read({})).toBeUndefined();
  });

  test('connects in plain text by default', () => {
    expect(read({ KAFKA_BROKERS: 'a:1,b:2' })).toEqual({
      brokers: ['a:1', 'b:2'],
      topic: 'rescind.revocations',
      clientId: 'prices',
    });
  });

  test('connects by TLS with certificate authorities and credentials', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----';
    const connection = read({
      KAFKA_BROKERS: 'a:1',
      KAFKA_SSL_ENABLED: 'true',
      KAFKA_SSL_CA: pem,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'prices',
      KAFKA_SASL_PASSWORD: 'pw',
    });
    expect(connection?.ssl).toEqual({ ca: pem });
    expect(connection?.sasl).toEqual({ mechanism: 'scram-sha-512', username: 'prices', password: 'pw' });
  });

  test.each(['localhost', 'a:b', 'kafka://a:1', 'user@a:1', 'a:1,b'])('brokers such as %s are refused', (brokers) => {
    expect(problemsOf(settings, { KAFKA_BROKERS: brokers })[0]?.problem).toContain(
      'a comma-separated list of host:port',
    );
  });

  test('requires variables that depend on each other', () => {
    const problems = problemsOf(settings, { KAFKA_SASL_USERNAME: 'prices' });
    expect(problems).toEqual([
      { variable: 'KAFKA_SASL_MECHANISM', problem: 'is not set; must be set when KAFKA_SASL_USERNAME is' },
    ]);
  });
});

test('the Markdown table has a row for each variable', () => {
  const table = configurationTable(z.object(guardSettings('prices')));
  expect(table).toMatch(/^\| `FEED_CLIENT_SECRET` or `FEED_CLIENT_SECRET_FILE` \| secret +\|/m);
  expect(table).toMatch(/^\| `MAX_STALENESS` +\| duration \| a number with a unit/m);
});
