import type { DurationMs } from '@rescind/revocation';

/** What a topic of the log must be. */
export interface TopicNeeds {
  /** Records must be kept at least this long. */
  readonly retentionMs: DurationMs;
  /** Copies of each record. More are welcome. */
  readonly replicationFactor: number;
  /** How many copies must be written before a record counts. More are welcome, up to the copies there are. */
  readonly minInsyncReplicas: number;
  /** The size of the largest send. */
  readonly batchBytes: number;
}

/** A topic as it is. */
export interface TopicFacts {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** By name; undefined when this user may not look at them. */
  readonly settings: ReadonlyMap<string, string> | undefined;
}

/** A setting that will not do. */
export interface TopicProblem {
  readonly setting: string;
  readonly value: string;
  /** The value that would do. */
  readonly wanted: string;
  /** What happens otherwise, in a few words. */
  readonly why: string;
}

export interface TopicVerdict {
  /** Any of these: nothing may be published. */
  readonly problems: readonly TopicProblem[];
  readonly warnings: readonly TopicProblem[];
}

/** The settings that are looked at. */
export const SETTINGS = [
  'cleanup.policy',
  'message.timestamp.type',
  'retention.ms',
  'retention.bytes',
  'min.insync.replicas',
  'unclean.leader.election.enable',
  'max.message.bytes',
  'compression.type',
] as const;

/** With `producer` the broker keeps what the publisher sends: large sends gzipped, small ones as they are. */
const COMPRESSION = 'producer';

/** What a new topic is given. */
export function settingsFor(needs: TopicNeeds): { name: string; value: string }[] {
  const settings = {
    'cleanup.policy': 'delete',
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': String(needs.retentionMs),
    'retention.bytes': '-1',
    'min.insync.replicas': String(needs.minInsyncReplicas),
    'unclean.leader.election.enable': 'false',
    'compression.type': COMPRESSION,
  };
  return Object.entries(settings).map(([name, value]) => ({ name, value }));
}

type Rule = (
  value: string,
  needs: TopicNeeds,
  facts: TopicFacts,
) => Omit<TopicProblem, 'setting' | 'value'> | undefined;

const RULES: ReadonlyMap<(typeof SETTINGS)[number], Rule> = new Map<(typeof SETTINGS)[number], Rule>([
  ['cleanup.policy', (value) => unless(value === 'delete', 'delete', 'compaction drops all but the last event')],
  [
    'message.timestamp.type',
    (value) =>
      unless(value === 'LogAppendTime', 'LogAppendTime', 'records are forgotten by the clock of whoever wrote them'),
  ],
  [
    'retention.ms',
    (value, needs) =>
      unless(
        value === '-1' || Number(value) >= needs.retentionMs,
        `at least ${needs.retentionMs}`,
        'events are forgotten while they still deny',
      ),
  ],
  ['retention.bytes', (value) => unless(value === '-1', '-1', 'events are forgotten by size')],
  ['min.insync.replicas', minInsync],
  [
    'unclean.leader.election.enable',
    (value, _, facts) =>
      unless(value === 'false' || facts.replicationFactor === 1, 'false', 'a copy that lags may become the log'),
  ],
  [
    'max.message.bytes',
    (value, needs) => unless(Number(value) >= needs.batchBytes, `at least ${needs.batchBytes}`, 'sends are refused'),
  ],
]);

function minInsync(value: string, needs: TopicNeeds, facts: TopicFacts) {
  const copies = facts.replicationFactor;
  if (Number(value) > copies) {
    return { wanted: `at most ${copies}, the copies there are`, why: 'nothing can be written' };
  }
  const least = Math.min(needs.minInsyncReplicas, copies);
  return unless(Number(value) >= least, `at least ${least}`, 'an event may be lost with a single broker');
}

const unless = (good: boolean, wanted: string, why: string) => (good ? undefined : { wanted, why });

/** Judges a topic. Pure. */
export function judgeTopic(facts: TopicFacts, needs: TopicNeeds): TopicVerdict {
  const problems: TopicProblem[] = [];
  const warnings: TopicProblem[] = [];
  if (facts.partitions !== 1) {
    const why = 'events have no one order';
    problems.push({ setting: 'partitions', value: String(facts.partitions), wanted: '1', why });
  }
  if (facts.replicationFactor < needs.replicationFactor) {
    problems.push({
      setting: 'replication factor',
      value: String(facts.replicationFactor),
      wanted: `at least ${needs.replicationFactor}`,
      why: 'events are lost with a broker',
    });
  }
  if (facts.settings === undefined) {
    const why = 'its settings could not be checked';
    warnings.push({ setting: 'DescribeConfigs', value: 'not permitted', wanted: 'permitted for this user', why });
    return { problems, warnings };
  }
  for (const [setting, rule] of RULES) {
    const value = facts.settings.get(setting);
    const wrong = value === undefined ? undefined : rule(value, needs, facts);
    if (value !== undefined && wrong !== undefined) problems.push({ setting, value, ...wrong });
  }
  const compression = facts.settings.get('compression.type');
  if (compression !== undefined && compression !== COMPRESSION) {
    const why =
      compression === 'uncompressed'
        ? 'large sends are kept without compression'
        : 'the broker compresses each event alone, and each reader decompresses it';
    warnings.push({ setting: 'compression.type', value: compression, wanted: COMPRESSION, why });
  }
  return { problems, warnings };
}

/** For an error and a log: every setting, its value, and the one that would do. */
export function describeProblems(topic: string, problems: readonly TopicProblem[]): string {
  const each = problems.map(({ setting, value, wanted, why }) => `${setting} is ${value}, must be ${wanted} (${why})`);
  return `topic ${topic}: ${each.join('; ')}`;
}
