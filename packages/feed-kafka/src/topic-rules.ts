import type { DurationMs } from '@rescind/revocation';

/** What the topic of a log must have. */
export interface TopicRequirements {
  /** Shortest retention of a record, in ms. */
  readonly retentionMs: DurationMs;
  /** Fewest copies of each record. */
  readonly replicationFactor: number;
  /** Fewest copies that must be written before a record counts; at most the copies that the topic has. */
  readonly minInsyncReplicas: number;
  /** Size of the largest send, in bytes. */
  readonly batchBytes: number;
}

/** A topic as the brokers describe it. */
export interface TopicFacts {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** By name; undefined when this user may not read them (DescribeConfigs). */
  readonly settings: ReadonlyMap<string, string> | undefined;
}

/** A setting with an unsuitable value. */
export interface TopicProblem {
  readonly setting: string;
  readonly value: string;
  /** A suitable value. */
  readonly suitable: string;
  /** What happens otherwise, in a few words. */
  readonly why: string;
}

interface TopicFindings {
  /** With any of these nothing may be published. */
  readonly problems: readonly TopicProblem[];
  readonly warnings: readonly TopicProblem[];
}

/** The settings that are checked. */
export const CHECKED_SETTINGS = [
  'cleanup.policy',
  'message.timestamp.type',
  'retention.ms',
  'retention.bytes',
  'min.insync.replicas',
  'unclean.leader.election.enable',
  'max.message.bytes',
  'compression.type',
] as const;

/** With `producer` the broker keeps the compression of the publisher: large sends are gzipped, small ones are not. */
const COMPRESSION = 'producer';

/** The settings of a new topic. */
export function settingsFor(requirements: TopicRequirements): { name: string; value: string }[] {
  const settings = {
    'cleanup.policy': 'delete',
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': String(requirements.retentionMs),
    'retention.bytes': '-1',
    'min.insync.replicas': String(requirements.minInsyncReplicas),
    'unclean.leader.election.enable': 'false',
    'compression.type': COMPRESSION,
  };
  return Object.entries(settings).map(([name, value]) => ({ name, value }));
}

type Rule = (
  value: string,
  requirements: TopicRequirements,
  facts: TopicFacts,
) => Omit<TopicProblem, 'setting' | 'value'> | undefined;

const RULES: ReadonlyMap<(typeof CHECKED_SETTINGS)[number], Rule> = new Map<(typeof CHECKED_SETTINGS)[number], Rule>([
  ['cleanup.policy', (value) => unless(value === 'delete', 'delete', 'compaction drops all but the last event')],
  [
    'message.timestamp.type',
    (value) => unless(value === 'LogAppendTime', 'LogAppendTime', 'records expire by the clock of their producer'),
  ],
  [
    'retention.ms',
    (value, requirements) =>
      unless(
        value === '-1' || Number(value) >= requirements.retentionMs,
        `at least ${requirements.retentionMs}`,
        'events expire while they still deny',
      ),
  ],
  ['retention.bytes', (value) => unless(value === '-1', '-1', 'events expire by size')],
  ['min.insync.replicas', minInsync],
  [
    'unclean.leader.election.enable',
    (value, _, facts) =>
      unless(value === 'false' || facts.replicationFactor === 1, 'false', 'a replica that lags may become the leader'),
  ],
  [
    'max.message.bytes',
    (value, requirements) =>
      unless(Number(value) >= requirements.batchBytes, `at least ${requirements.batchBytes}`, 'sends are refused'),
  ],
]);

function minInsync(value: string, requirements: TopicRequirements, facts: TopicFacts) {
  const copies = facts.replicationFactor;
  if (Number(value) > copies) {
    return { suitable: `at most ${copies}, the copies there are`, why: 'nothing can be written' };
  }
  const minInsync = Math.min(requirements.minInsyncReplicas, copies);
  return unless(Number(value) >= minInsync, `at least ${minInsync}`, 'an event may be lost with a single broker');
}

const unless = (good: boolean, suitable: string, why: string) => (good ? undefined : { suitable, why });

/** Compares a topic with the requirements. */
export function checkTopic(facts: TopicFacts, requirements: TopicRequirements): TopicFindings {
  const problems: TopicProblem[] = [];
  const warnings: TopicProblem[] = [];
  if (facts.partitions !== 1) {
    const why = 'events have no total order';
    problems.push({ setting: 'partitions', value: String(facts.partitions), suitable: '1', why });
  }
  if (facts.replicationFactor < requirements.replicationFactor) {
    problems.push({
      setting: 'replication factor',
      value: String(facts.replicationFactor),
      suitable: `at least ${requirements.replicationFactor}`,
      why: 'events are lost with a broker',
    });
  }
  if (facts.settings === undefined) {
    const why = 'its settings could not be checked';
    warnings.push({ setting: 'DescribeConfigs', value: 'not permitted', suitable: 'permitted for this user', why });
    return { problems, warnings };
  }
  for (const [setting, rule] of RULES) {
    const value = facts.settings.get(setting);
    const problem = value === undefined ? undefined : rule(value, requirements, facts);
    if (value !== undefined && problem !== undefined) problems.push({ setting, value, ...problem });
  }
  const compression = facts.settings.get('compression.type');
  if (compression !== undefined && compression !== COMPRESSION) {
    const why =
      compression === 'uncompressed'
        ? 'large sends are kept without compression'
        : 'the broker compresses each event alone, and each reader decompresses it';
    warnings.push({ setting: 'compression.type', value: compression, suitable: COMPRESSION, why });
  }
  return { problems, warnings };
}

/** Describes problems for an error and a log line: each setting, its value, and a suitable one. */
export function describeProblems(topic: string, problems: readonly TopicProblem[]): string {
  const each = problems.map(
    ({ setting, value, suitable, why }) => `${setting} is ${value}, must be ${suitable} (${why})`,
  );
  return `topic ${topic}: ${each.join('; ')}`;
}
