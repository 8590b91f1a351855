import type { Fields, Telemetry } from '@rescind/revocation';
import type { KeyDocuments } from '@rescind/token';

/** Telemetry that records how often each metric was counted, and the log lines. */
export function recordingTelemetry() {
  const counts = new Map<string, number>();
  const counted = (metric: string, labels: Readonly<Record<string, string>>) =>
    counts.get(`${metric}${JSON.stringify(labels)}`) ?? 0;
  const lines: { event: string; fields: Fields }[] = [];
  const telemetry: Telemetry = {
    count(metric: string, labels: Readonly<Record<string, string>> = {}, by = 1) {
      const name = `${metric}${JSON.stringify(labels)}`;
      counts.set(name, (counts.get(name) ?? 0) + by);
    },
    gauge: () => undefined,
    observe: () => undefined,
    log: (_, event, fields = {}) => lines.push({ event, fields }),
  };
  return {
    telemetry,
    lines,
    counted,
    fetches: (result: string) => counted('rescind_key_fetches_total', { result }),
    logged: (event: string) => lines.filter((line) => line.event === event),
  };
}

export function documentsInMemory(): KeyDocuments & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return { texts, read: (name) => texts.get(name), write: (name, text) => void texts.set(name, text) };
}
