import type { Telemetry } from '@rescind/revocation';

/** Counts what was acknowledged, by the last word of its event type. */
export function countPublished(telemetry: Telemetry, records: readonly string[]): void {
  const totals = new Map<string, number>();
  for (const jws of records) {
    const type = typeOf(jws);
    totals.set(type, (totals.get(type) ?? 0) + 1);
  }
  for (const [type, total] of totals) telemetry.count('rescind_events_published_total', { type }, total);
}

/** Of an event that this process signed: nothing is verified. */
function typeOf(jws: string): string {
  const [, payload = ''] = jws.split('.');
  const { events } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  const [uri = 'unknown'] = Object.keys(events);
  return uri.slice(uri.lastIndexOf('/') + 1);
}
