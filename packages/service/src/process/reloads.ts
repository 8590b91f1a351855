import { statSync } from 'node:fs';
import type { DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import type { ConfigurationProblem } from '../configuration/environment.ts';
import { ConfigurationError, configuredFile } from '../configuration/read.ts';

/** A file of the configuration that may change while the service runs. */
export interface ReloadedFile<T> {
  /** The variable that names the file. */
  readonly variable: string;
  readonly path: string;
  /** Reads the file and checks its content. @throws ConfigurationError */
  read(): T;
  /** Puts the content into use; called only with a content that was accepted. */
  apply(content: T): void;
}

/** Reads files of the configuration again: when they change, and when it is asked to. */
export interface Reloads {
  watch<T>(file: ReloadedFile<T>): void;
}

export interface RunningReloads extends Reloads {
  /** Reads every file again now: for SIGHUP. */
  reload(): void;
  /** `configuration` fails while the present content of a file is refused; no check where no file is watched. */
  health(): HealthCheck[];
  stop(): void;
}

/** A file that is being written is not read half: it must look the same twice. */
const POLL_MS: DurationMs = 1_000;

interface Watched {
  readonly file: ReloadedFile<unknown>;
  /** What the file looked like when it was last read. */
  read: string;
  /** What it looked like at the last poll. */
  seen: string;
  refused: ConfigurationProblem | null;
}

/**
 * Polls: a secret of Kubernetes changes by a swap of symbolic links, of which a watch of the file hears nothing. A content
 * that is refused changes nothing: the one before stays in use, the refusal is logged once, counted and seen in health.
 */
export function openReloads(telemetry: Telemetry, pollMs: DurationMs = POLL_MS): RunningReloads {
  const watched: Watched[] = [];

  function load(one: Watched, looks: string): void {
    const { variable, path } = one.file;
    one.read = looks;
    try {
      one.file.apply(one.file.read());
      one.refused = null;
      telemetry.count('rescind_configuration_reloads_total', { result: 'applied' });
      telemetry.log('info', 'configuration_reloaded', { variable, path });
    } catch (error) {
      const [problem] = error instanceof ConfigurationError ? error.problems : [];
      one.refused = problem ?? { variable, problem: error instanceof Error ? error.message : 'cannot be used' };
      telemetry.count('rescind_configuration_reloads_total', { result: 'refused' });
      telemetry.log('error', 'configuration_reload_refused', { variable, path, problem: one.refused.problem });
    }
    telemetry.gauge('rescind_configuration_files_refused', watched.filter(({ refused }) => refused !== null).length);
  }

  function poll(): void {
    for (const one of watched) {
      const looks = appearance(one.file.path);
      const isSettled = looks === one.seen;
      one.seen = looks;
      if (isSettled && looks !== one.read) load(one, looks);
    }
  }

  const timer = setInterval(poll, pollMs).unref();
  return {
    watch<T>(file: ReloadedFile<T>) {
      const looks = appearance(file.path);
      watched.push({ file: file as ReloadedFile<unknown>, read: looks, seen: looks, refused: null });
    },
    reload() {
      for (const one of watched) load(one, appearance(one.file.path));
    },
    health() {
      if (watched.length === 0) return [];
      const refused = watched.flatMap((one) => one.refused ?? []);
      const [first] = refused;
      return [
        {
          name: 'configuration',
          status: first === undefined ? 'pass' : 'fail',
          files: watched.length,
          refused: refused.length,
          ...(first === undefined ? {} : { variable: first.variable, lastError: first.problem }),
        },
      ];
    },
    stop: () => clearInterval(timer),
  };
}

/** Follows symbolic links. A file that is not there has an appearance of its own. */
function appearance(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}

/**
 * The value of a text variable of a configuration, as it is now: where it came from NAME_FILE, that file is watched.
 * @param onChange called after each change, with the new value in use
 */
export function reloadedText<N extends string>(
  reloads: Reloads,
  configuration: Readonly<Record<N, string>>,
  name: N,
  onChange: () => void = () => undefined,
): () => string {
  let present = configuration[name];
  const file = configuredFile(configuration, name);
  if (file !== undefined) {
    reloads.watch({
      ...file,
      apply(value) {
        if (value === present) return;
        present = value;
        onChange();
      },
    });
  }
  return () => present;
}
