/** A metric as data: Prometheus names and base units, no user in a label. */
export interface MetricEntry {
  /** The type of the metric in Prometheus. */
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** The unit of the value, such as `seconds` or `events`; `flag` is 0 or 1. */
  readonly unit: string;
  /** One line for whoever reads /metrics. */
  readonly help: string;
  /**
   * The values each label may have: every combination is registered at 0 when a process starts, so that `increase()` sees
   * the first count. `'open'`: values are not known before they occur. `'transport'`: the names of the transports that a reader is
   * given, which the follower registers when it opens.
   */
  readonly labels?: Readonly<Record<string, readonly string[] | 'open' | 'transport'>>;
  /** Of a histogram: upper bounds, in its unit. */
  readonly buckets?: readonly number[];
  /** Of a gauge: its value before it is first set. Absent: it is not exposed until then, since 0 would not be true. */
  readonly initial?: number;
}

export type MetricCatalogue = Readonly<Record<string, MetricEntry>>;

/** From a good local network to the patience of a person: 1 ms to 10 s. */
export const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Why a connection to Kafka failed. */
export const KAFKA_FAILURES = [
  'topic_missing',
  'unauthorized',
  'authentication_failed',
  'certificate_refused',
  'undecodable',
  'coordinator_unavailable',
  'unreachable',
  'failed',
] as const;

/** One of `KAFKA_FAILURES`. */
export type KafkaFailure = (typeof KAFKA_FAILURES)[number];
