import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The directory of fetched files, which is kept between runs. */
export const CACHE = resolve('.data/openapi-clients');
const GENERATOR = 'org.openapitools:openapi-generator-cli:7.19.0';

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Runs a command and returns what it wrote. @throws Error when it cannot be run, or fails, with what it wrote */
export function run(command: string, given: readonly string[], options: RunOptions = {}): string {
  const { cwd, env = {}, input = '' } = options;
  const { status, error, stdout, stderr } = spawnSync(command, given, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw new Error(`${command} cannot be run`, { cause: error });
  if (status !== 0) throw new Error(`${command} ${given.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** @throws Error naming what is missing */
export function requireTools(): void {
  const tools = { java: '-version', mvn: '--version', python3: '--version', go: 'version' };
  const missing = Object.entries(tools).filter(([tool, argument]) => spawnSync(tool, [argument]).status !== 0);
  if (missing.length === 0) return;
  throw new Error(
    `needs Java 17 or later, Maven, Python 3 and Go; not found: ${missing.map(([tool]) => tool).join(', ')}`,
  );
}

/** The jar of openapi-generator, from Maven Central. */
export function fetchGenerator(): string {
  const [, artifact, version] = GENERATOR.split(':');
  const jar = join(CACHE, `${artifact}-${version}.jar`);
  if (!existsSync(jar))
    run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${GENERATOR}`, `-DoutputDirectory=${CACHE}`]);
  return jar;
}

/** The directory of Spring Security's jars, from Maven Central. */
export function fetchSpring(): string {
  const pom = join(import.meta.dirname, 'spring.pom.xml');
  const directory = join(CACHE, `spring-${createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 16)}`);
  const jars = join(directory, 'jars');
  if (existsSync(jars)) return jars;
  mkdirSync(directory, { recursive: true });
  cpSync(pom, join(directory, 'pom.xml'));
  run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`], { cwd: directory });
  return jars;
}

/** A Python with what the generated clients and the example of PyJWT import. */
export function preparePython(): string {
  const directory = join(CACHE, 'venv');
  const python = join(directory, 'bin', 'python');
  if (!existsSync(python)) run('python3', ['-m', 'venv', directory]);
  run(python, ['-m', 'pip', 'install', '-q', '-r', join(import.meta.dirname, 'requirements.txt')]);
  return python;
}
