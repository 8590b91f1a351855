/** What is said of a metric to whoever reads /metrics. */
export interface MetricEntry {
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds, in the metric's unit: this is a histogram. */
  readonly buckets?: readonly number[];
}

/** From a good local network to the patience of a person: 1 ms to 10 s. */
const PROPAGATION_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A decision is memory only: from 10 µs; what takes 100 ms is an event loop that stood still. */
const DECISION_SECONDS = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1];

/** The metrics by name; docs and dashboards rely on them. */
export const METRICS: Readonly<Record<string, MetricEntry>> = {
  rescind_events_published_total: { help: 'Events acknowledged by Kafka', labels: ['type'] },
  rescind_events_applied_total: { help: 'Events read from a way, by what became of them', labels: ['result'] },
  rescind_propagation_seconds: {
    help: 'From the commit of a revocation at the issuer to its denial here',
    buckets: PROPAGATION_SECONDS,
  },
  rescind_feed_lag_events: { help: 'Events the log is known to have and that are not applied here' },
  rescind_view_age_seconds: { help: 'How old what this instance knows of the revocation log is' },
  rescind_denylist_entries: { help: 'Rows of the denylist', labels: ['claim'] },
  rescind_decisions_total: { help: 'Decisions of the guard', labels: ['result'] },
  rescind_decision_seconds: { help: 'How long a decision of the guard took', buckets: DECISION_SECONDS },
  rescind_refresh_total: { help: 'Uses of refresh tokens', labels: ['result'] },
  rescind_refresh_reuse_total: { help: 'Sessions ended because a used refresh token came again' },
  rescind_sockets_ended_total: { help: 'Live sockets ended', labels: ['reason'] },
  rescind_logins_total: { help: 'Logins tried', labels: ['result'] },
  rescind_http_requests_total: { help: 'Requests answered', labels: ['method', 'status'] },
  rescind_http_request_seconds: {
    help: 'How long requests took to be answered',
    labels: ['method'],
    buckets: PROPAGATION_SECONDS,
  },
};
