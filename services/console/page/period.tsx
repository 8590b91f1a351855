import { useMemo } from 'preact/hooks';
import { useLive, useTime } from './live.ts';
import { setQuery, useAddress } from './router.ts';
import { isoText } from './text.ts';

/** The periods that end now, by their text in the address. */
const PERIODS_MS: Readonly<Record<string, number>> = {
  '1h': 3_600_000,
  '24h': 86_400_000,
  '7d': 7 * 86_400_000,
  '30d': 30 * 86_400_000,
};
const NAMES: Readonly<Record<string, string>> = {
  '1h': 'last hour',
  '24h': 'last 24 hours',
  '7d': 'last 7 days',
  '30d': 'last 30 days',
};

const timeOf = (text: string): number | undefined => {
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
};

/**
 * The period of the address, as parameters of a list: `since=24h` ends now, by the clock of the issuer, whenever the link is opened;
 * `since` and `until` in ISO 8601 stay what they are.
 */
export function usePeriod(): string {
  const { query } = useAddress();
  const { logins } = useLive();
  const { now } = useTime();
  const [since, until] = [query.get('since') ?? '', query.get('until') ?? ''];
  // Only a changed address and a login load the list again, not each second.
  return useMemo(() => {
    const length = PERIODS_MS[since];
    const from = length === undefined ? timeOf(since) : Math.round(now - length);
    const to = timeOf(until);
    return `${from === undefined ? '' : `&since=${from}`}${to === undefined ? '' : `&until=${to}`}`;
  }, [since, until, logins]);
}

/** Chooses the period of the address, and pins it: a pinned link shows the same lines tomorrow. */
export function PeriodFilter() {
  const { query } = useAddress();
  const { now } = useTime();
  const since = query.get('since') ?? '';
  const length = PERIODS_MS[since];
  const isPinned = since !== '' && length === undefined;
  return (
    <>
      <select
        aria-label="Period"
        value={since}
        onChange={(event) => setQuery({ since: event.currentTarget.value, until: '', seq: '' })}
      >
        <option value="">any time</option>
        {Object.entries(NAMES).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
        {isPinned && (
          <option value={since}>
            {since} to {query.get('until') ?? 'now'}
          </option>
        )}
      </select>
      {length !== undefined && (
        <button
          type="button"
          class="small"
          title="Replaces the period by its two times, for a link that shows the same tomorrow"
          onClick={() => setQuery({ since: isoText(now - length), until: isoText(now) })}
        >
          Pin
        </button>
      )}
    </>
  );
}
