import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const KAFKA_VERSION = '4.3.0';

/** Kafka 4 brokers want Java 17. */
const LEAST_JAVA = 17;

/** A slow network may take its time over 43 MB; one that hangs must not hang a test run for ever. */
const FETCH_LIMIT_MS = 300_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rescind</groupId><artifactId>dev-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
`;

/** Why Kafka cannot be run by Java here, or undefined. */
export async function whyNoJava(cacheDirectory: string): Promise<string | undefined> {
  const version = await javaVersion();
  if (version === undefined) return 'there is no `java`';
  if (version < LEAST_JAVA) return `\`java\` is version ${version}, Kafka wants ${LEAST_JAVA} or newer`;
  if (existsSync(jarsDirectory(cacheDirectory))) return undefined;
  return run('mvn', ['--version']).then(
    () => undefined,
    () => 'there is no `mvn` to fetch the jars of Kafka with',
  );
}

async function javaVersion(): Promise<number | undefined> {
  try {
    const { stdout, stderr } = await run('java', ['-version']);
    const found = /version "(\d+)/.exec(stdout + stderr);
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

const jarsDirectory = (cacheDirectory: string) => join(cacheDirectory, `kafka-${KAFKA_VERSION}`);

/** The directory of Kafka's jars: fetched from Maven Central the first time. Two processes at once are welcome. */
export async function fetchJars(cacheDirectory: string, say: (line: string) => void): Promise<string> {
  const jars = jarsDirectory(cacheDirectory);
  if (existsSync(jars)) return jars;
  mkdirSync(cacheDirectory, { recursive: true });
  const work = mkdtempSync(join(cacheDirectory, 'fetching-'));
  try {
    say(`fetching the jars of Kafka ${KAFKA_VERSION} into ${jars}`);
    writeFileSync(join(work, 'pom.xml'), POM);
    const output = `-DoutputDirectory=${join(work, 'jars')}`;
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', output], { cwd: work, timeout: FETCH_LIMIT_MS });
    moveOnce(join(work, 'jars'), jars);
  } catch (error) {
    throw new Error(`Maven could not fetch the jars of Kafka ${KAFKA_VERSION}`, { cause: error });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return jars;
}

function moveOnce(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // Another process has been faster: what it has put there is the same.
    if (!existsSync(to)) throw error;
  }
}
