import type { MetricCatalogue } from './entry.ts';
import { LATENCY_SECONDS } from './entry.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const;

/** Metrics of every service. */
export const SERVICE_METRICS = {
  rescind_build_info: {
    type: 'gauge',
    unit: 'flag',
    help: 'Always 1; the labels have the service and its version',
    labels: { service: 'open', version: 'open' },
  },
  rescind_ready: { type: 'gauge', unit: 'flag', help: 'Whether /readyz responds 200', initial: 0 },
  rescind_health_check: {
    type: 'gauge',
    unit: 'flag',
    help: 'The checks of /readyz: 1 for the present status of each',
    labels: { name: 'open', status: ['pass', 'warn', 'fail'] },
  },
  rescind_configuration_reloads_total: {
    type: 'counter',
    unit: 'reloads',
    help: 'Files of the configuration that were read again because they had changed',
    labels: { result: ['applied', 'refused'] },
  },
  rescind_configuration_files_refused: {
    type: 'gauge',
    unit: 'files',
    help: 'Files of the configuration whose present content is refused: the content before is in use',
    initial: 0,
  },
  rescind_disk_free_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Free bytes, for this user, of the file system of the database, the keys or the denylist, as of the scrape before',
    labels: { volume: 'open' },
  },
  rescind_disk_size_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Size of that file system',
    labels: { volume: 'open' },
  },
  rescind_backup_last_success_timestamp_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'When the database was last backed up, since 1970, as of the scrape before; not exposed before the first backup',
  },
  rescind_kafka_client_lines_dropped_total: {
    type: 'counter',
    unit: 'lines',
    help: 'Log lines of the Kafka client that were dropped because they repeat',
  },
  rescind_connections: {
    type: 'gauge',
    unit: 'connections',
    help: 'Connections that are open, by port',
    labels: { listener: 'open' },
  },
  rescind_connections_refused_total: {
    type: 'counter',
    unit: 'connections',
    help: 'Connections closed because a limit was reached: of the port (total), or of one address',
    labels: { listener: 'open', reason: ['total', 'address'] },
  },
  rescind_http_malformed_total: {
    type: 'counter',
    unit: 'requests',
    help: 'Requests that are not HTTP, too large in the head, or did not arrive in time',
    labels: { listener: 'open', reason: ['malformed', 'too_large', 'timeout'] },
  },
  rescind_http_requests_total: {
    type: 'counter',
    unit: 'requests',
    help: 'Responses to requests',
    labels: { method: METHODS, status: 'open' },
  },
  rescind_http_request_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'How long requests took until the response; streams are not counted',
    labels: { method: METHODS },
    buckets: LATENCY_SECONDS,
  },
  rescind_metric_errors_total: {
    type: 'counter',
    unit: 'uses',
    help: 'Uses of metrics that do not agree with the catalogue: a fault of the program',
  },
} as const satisfies MetricCatalogue;
