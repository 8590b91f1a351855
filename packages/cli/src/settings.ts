import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isSecureUrl } from '@rescind/revocation/http';
import type { Environment } from '@rescind/service/configuration';
import { ConfigurationError, kafkaSettings, readConfiguration, setting } from '@rescind/service/configuration';
import { z } from 'zod';
import { CliError } from './errors.ts';

/** Every variable that the command line reads. A flag precedes a variable, a variable the profile. */
const settings = z.object({
  RESCIND_SERVER: setting.url({
    default: 'http://127.0.0.1:3002',
    about: 'The administrators’ port of user-management (`ADMIN_PORT`); `--server`',
  }),
  RESCIND_OPERATOR: setting.optional(
    setting.text({
      about: 'The name of an operator of `ADMIN_OPERATORS_FILE`; without a secret the command asks for it',
      pattern: /^[^:]+$/,
      such: ' without a colon',
    }),
  ),
  RESCIND_OPERATOR_SECRET: setting.optional(
    setting.secret({ minLength: 1, about: 'The secret of `RESCIND_OPERATOR`', needs: ['RESCIND_OPERATOR'] }),
  ),
  RESCIND_TOKEN: setting.optional(
    setting.secret({ minLength: 1, about: 'An access token of an administrator, in place of an operator' }),
  ),
  RESCIND_MANAGEMENT: setting.list({
    default: 'http://127.0.0.1:3001',
    about: 'The management ports that `status` and `doctor` ask: of user-management and of any instance',
    pattern: /^https?:\/\/[^\s,@]+$/,
    such: ' of URLs',
  }),
  RESCIND_ISSUER: setting.optional(
    setting.url({ about: 'The `iss` of the log that `tail`, `log verify` and `doctor` read' }),
  ),
  RESCIND_ISSUER_URL: setting.optional(
    setting.url({ about: 'The address of the issuer, if it is not `RESCIND_ISSUER`' }),
  ),
  RESCIND_FEED_CLIENT_ID: setting.optional(
    setting.text({
      about: 'A reader of the log',
      needs: ['RESCIND_FEED_CLIENT_SECRET'],
      pattern: /^[^:]+$/,
      such: ' without a colon',
    }),
  ),
  RESCIND_FEED_CLIENT_SECRET: setting.optional(
    setting.secret({
      minLength: 1,
      about: 'The secret of `RESCIND_FEED_CLIENT_ID`',
      needs: ['RESCIND_FEED_CLIENT_ID'],
    }),
  ),
  RESCIND_PLAIN_HTTP: setting.flag({
    default: 'false',
    about: 'Whether credentials may be sent by plain http to another machine',
  }),
  RESCIND_TIMEOUT: setting.duration({
    default: '10s',
    atLeast: '100ms',
    atMost: '10m',
    about: 'How long a request may take',
  }),
  ...kafkaSettings('rescind-cli'),
});

export type Settings = z.output<typeof settings> & {
  /** The name of the profile, if one was read. */
  readonly profile?: string | undefined;
  /** Whether the profile is one of production: wide commands show its name. */
  readonly production: boolean;
};

/** The variables that are secrets: a profile names their files. */
const SECRETS = ['RESCIND_OPERATOR_SECRET', 'RESCIND_TOKEN', 'RESCIND_FEED_CLIENT_SECRET', 'KAFKA_SASL_PASSWORD'];
/** Readable or writable by others than its owner. */
const OTHERS = 0o077;

/** @throws CliError for a profile or variables that are wrong */
export function readSettings(
  environment: Environment,
  flags: { readonly server?: string | undefined; readonly profile?: string | undefined },
): Settings {
  const { RESCIND_PROFILE: variable, ...own } = environment;
  const name = flags.profile ?? (variable || undefined);
  const profile = name === undefined ? undefined : readProfile(name, environment);
  const variables = {
    ...profile?.variables,
    ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined && value !== '')),
    ...(flags.server === undefined ? {} : { RESCIND_SERVER: flags.server }),
  };
  try {
    return { ...readConfiguration(settings, variables), profile: name, production: profile?.production ?? false };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const problems = error.problems.map(({ variable: of, problem }) => `${of} ${problem}`);
    throw new CliError('usage', 'configuration_invalid', problems.join('\n'));
  }
}

interface Profile {
  readonly variables: Readonly<Record<string, string>>;
  readonly production: boolean;
}

const profileShape = z.record(z.string(), z.union([z.string(), z.boolean()]));

/** `<name>.json` in `$XDG_CONFIG_HOME/rescind`, or `~/.config/rescind`: variables, and `"production": true`. */
function readProfile(name: string, environment: Environment): Profile {
  const invalid = (problem: string) => new CliError('usage', 'profile_invalid', `The profile ${name} ${problem}`);
  if (!/^[\w-]{1,64}$/.test(name)) throw invalid('must be letters, digits, _ and -');
  const folder = join(environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), '.config'), 'rescind');
  const path = join(folder, `${name}.json`);
  let members: z.output<typeof profileShape>;
  try {
    const { production, ...rest } = profileShape.parse(JSON.parse(readFileSync(path, 'utf8')));
    members = rest;
    if (production !== undefined && typeof production !== 'boolean')
      throw invalid('must have production: true or false');
    const variables = Object.entries(members).map(([variable, value]) => {
      if (typeof value === 'string' && /^(RESCIND|KAFKA)_/.test(variable)) return [variable, value] as const;
      throw invalid(`has ${variable}; must have variables RESCIND_… and KAFKA_…, and production`);
    });
    const secret = SECRETS.find((variable) => variable in members);
    if (secret !== undefined && (statSync(path).mode & OTHERS) !== 0) {
      throw invalid(`has ${secret} and others may read the file; name a private file by ${secret}_FILE, or chmod 600`);
    }
    return { variables: Object.fromEntries(variables), production: production === true };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw invalid(`cannot be read from ${path}`);
  }
}

/** Refuses to send credentials where others may read them. @throws CliError */
export function requireSecure(
  url: string,
  { RESCIND_PLAIN_HTTP: isPlainAllowed }: Pick<Settings, 'RESCIND_PLAIN_HTTP'>,
): void {
  if (isPlainAllowed || isSecureUrl(url)) return;
  throw new CliError(
    'usage',
    'server_insecure',
    `${url} is plain http on another machine: credentials would be readable on the way`,
    {
      next: 'use https, a tunnel to this machine, or RESCIND_PLAIN_HTTP=true on a network that you trust',
    },
  );
}
