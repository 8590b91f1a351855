import { statSync } from 'node:fs';
import type { DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import type { ConfigurationProblem } from '../configuration/environment.ts';
import { ConfigurationError, configuredFile } from '../configuration/read.ts';

/** A configuration file that may change while the service runs. */
export interface ReloadedFile<T> {
  /** The variable that names the file. */
  readonly variable: string;
  readonly path: string;
  /** Reads the file and checks its content. @throws ConfigurationError */
  read(): T;
  /** Uses the content. Called only with content that `read` accepted. */
  apply(content: T): void;
}

/** Reads configuration files again when they change, and on SIGHUP. */
export interface Reloads {
  watch<T>(file: ReloadedFile<T>): void;
}

export interface RunningReloads extends Reloads {
  /** Reads every file again now: for SIGHUP. */
  reload(): void;
  /** One check, `configuration`: `fail` while the present content of a file is refused. None when no file is watched. */
  health(): HealthCheck[];
  stop(): void;
}

/** Interval of polls. A file is read when two polls find it alike, so that it is not read half written. */
const POLL_MS: DurationMs = 1_000;

interface WatchedFile {
  readonly file: ReloadedFile<unknown>;
  /** The file's fingerprint when it was last read. */
  lastRead: string;
  /** Its fingerprint at the last poll. */
  lastPolled: string;
  refused: ConfigurationProblem | undefined;
}

/**
 * Polls files. It does not watch them: Kubernetes replaces a secret by a swap of symbolic links, which a watch of the file does not
 * report. Refused content changes nothing: the former content stays in use, and the refusal is logged once, counted and seen in health.
 */
export function openReloads(telemetry: Telemetry, pollMs: DurationMs = POLL_MS): RunningReloads {
  const watched: WatchedFile[] = [];

  function load(one: WatchedFile, fingerprint: string): void {
    const { variable, path } = one.file;
    one.lastRead = fingerprint;
    try {
      one.file.apply(one.file.read());
      one.refused = undefined;
      telemetry.count('rescind_configuration_reloads_total', { result: 'applied' });
      telemetry.log('info', 'configuration_reloaded', { variable, path });
    } catch (error) {
      const [problem] = error instanceof ConfigurationError ? error.problems : [];
      one.refused = problem ?? { variable, problem: error instanceof Error ? error.message : 'cannot be used' };
      telemetry.count('rescind_configuration_reloads_total', { result: 'refused' });
      telemetry.log('error', 'configuration_reload_refused', { variable, path, problem: one.refused.problem });
    }
    telemetry.gauge(
      'rescind_configuration_files_refused',
      watched.filter(({ refused }) => refused !== undefined).length,
    );
  }

  function poll(): void {
    for (const one of watched) {
      const fingerprint = fingerprintOf(one.file.path);
      const isComplete = fingerprint === one.lastPolled;
      one.lastPolled = fingerprint;
      if (isComplete && fingerprint !== one.lastRead) load(one, fingerprint);
    }
  }

  const timer = setInterval(poll, pollMs).unref();
  return {
    watch<T>(file: ReloadedFile<T>) {
      const fingerprint = fingerprintOf(file.path);
      watched.push({
        file: file as ReloadedFile<unknown>,
        lastRead: fingerprint,
        lastPolled: fingerprint,
        refused: undefined,
      });
    },
    reload() {
      for (const one of watched) load(one, fingerprintOf(one.file.path));
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

/** A text that changes with the file. It follows symbolic links. For a missing file it is the error code. */
function fingerprintOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}

/**
 * Returns a function for the present value of a text variable. If the value came from NAME_FILE, the file is watched.
 * @param onChange called after each change
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
