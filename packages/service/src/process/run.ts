import { constants } from 'node:os';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Environment } from '../configuration/environment.ts';
import { ConfigurationError } from '../configuration/read.ts';
import type { ProcessConfiguration } from '../configuration/settings.ts';
import { describeError } from '../http/errors.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import type { Service, ServiceContext } from './service.ts';
import { logEnvironmentNotes, openService } from './service.ts';

/** The part of `process` that `run` uses. */
export type Host = Pick<NodeJS.Process, 'argv' | 'env' | 'exit' | 'on'>;

/** The command of every service that reads the configuration, logs what is wrong with it, and ends. */
const CHECK_CONFIGURATION = 'check-configuration';

/** Exit codes of sysexits.h for a wrong command line and a wrong configuration. */
const EXIT_USAGE = 64;
const EXIT_CONFIGURATION = 78;

/**
 * Runs a service until SIGTERM or SIGINT, or one of its commands. On the signal requests finish, everything is closed, and the process
 * exits with 0; a second signal exits at once. SIGHUP reads the configuration files again. An uncaught exception or unhandled
 * rejection is logged and ends the process with 1, since its state is unknown.
 */
export async function run<C extends ProcessConfiguration>(service: Service<C>, host: Host): Promise<void> {
  const { telemetry } = createTelemetry({ service: service.name });
  exitOnUncaught(host, telemetry);
  const command = host.argv[2];
  try {
    if (command === undefined) await runUntilSignal(service, host);
    else if (command === CHECK_CONFIGURATION) checkConfiguration(service, host, telemetry);
    else await runCommand(service, command, host, telemetry);
  } catch (error) {
    logStartFailure(telemetry, error, host.env);
    host.exit(error instanceof ConfigurationError ? EXIT_CONFIGURATION : 1);
  }
}

function exitOnUncaught(host: Host, telemetry: Telemetry): void {
  const last = (event: string) => (error: unknown) => {
    telemetry.log('error', event, describeError(error));
    host.exit(1);
  };
  host.on('uncaughtException', last('uncaught_exception'));
  host.on('unhandledRejection', last('unhandled_rejection'));
}

async function runUntilSignal<C extends ProcessConfiguration>(service: Service<C>, host: Host): Promise<void> {
  const stopSignal = firstSignal(host);
  const hangups = reloadOnHangup(host);
  const running = await openService(service, host.env);
  hangups.begin(() => running.reload());
  await stopSignal;
  await running.close();
  host.exit(0);
}

/** SIGHUP reads the configuration files again. One that arrives during the start takes effect after it. */
function reloadOnHangup(host: Host): { begin(reload: () => void): void } {
  let pending = false;
  let reload = () => {
    pending = true;
  };
  host.on('SIGHUP', () => reload());
  return {
    begin(work) {
      reload = work;
      if (pending) work();
    },
  };
}

/** Resolves at the first signal. A second one exits at once. */
function firstSignal(host: Host): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      host.on(name, () => {
        if (isStopping) host.exit(128 + constants.signals[name]);
        isStopping = true;
        resolve();
      });
    }
  });
}

function checkConfiguration<C extends ProcessConfiguration>(
  service: Service<C>,
  host: Host,
  telemetry: Telemetry,
): void {
  logEnvironmentNotes(service.configure(host.env), telemetry);
  telemetry.log('info', 'configuration_valid');
  host.exit(0);
}

async function runCommand<C extends ProcessConfiguration>(
  service: Service<C>,
  name: string,
  host: Host,
  telemetry: Telemetry,
): Promise<void> {
  const command = service.commands?.[name];
  if (command === undefined) {
    const known = [CHECK_CONFIGURATION, ...Object.keys(service.commands ?? {})].join(', ');
    telemetry.log('error', 'command_unknown', { known });
    host.exit(EXIT_USAGE);
    return;
  }
  const { flags = [] } = command;
  const givenFlags = host.argv.slice(3);
  if (givenFlags.some((flag) => !flags.includes(flag))) {
    telemetry.log('error', 'command_flag_unknown', { command: name, known: flags.join(', ') || 'none' });
    host.exit(EXIT_USAGE);
    return;
  }
  const configuration = service.configure(host.env);
  // A command reads its files once, and continues when its terminal hangs up.
  host.on('SIGHUP', () => undefined);
  const reloads = { watch: () => undefined };
  const report = await withResources((keep) =>
    command.run({ configuration, version: service.version, telemetry, keep, reloads }, new Set(givenFlags)),
  );
  telemetry.log('info', `${name}_done`, report);
  host.exit(0);
}

async function withResources<T>(work: (keep: ServiceContext<unknown>['keep']) => Promise<T>): Promise<T> {
  await using resources = new AsyncDisposableStack();
  return await work((resource) => resources.use(resource));
}

function logStartFailure(telemetry: Telemetry, error: unknown, environment: Environment): void {
  if (!(error instanceof ConfigurationError)) {
    const code = error instanceof RescindError ? { code: error.code } : {};
    const described = describeError(error);
    const variable = pathVariable(environment, described.message);
    telemetry.log('error', 'start_failed', { ...code, ...(variable === undefined ? {} : { variable }), ...described });
    return;
  }
  for (const { variable, problem } of error.problems) {
    telemetry.log('error', 'configuration_invalid', { variable, problem });
  }
}

/** The variable whose path occurs in a message; the longest path, where one contains another. */
function pathVariable(environment: Environment, message: string): string | undefined {
  return Object.entries(environment)
    .filter(([name, path]) => /^[A-Z]+_PATH$/.test(name) && path !== undefined && path !== '' && message.includes(path))
    .sort(([, one = ''], [, other = '']) => other.length - one.length)
    .at(0)?.[0];
}
