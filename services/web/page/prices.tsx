import { Card, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { sentenceOf } from './account.ts';
import { configuration, session } from './session.ts';

/** The last response of prices. */
export interface Prices {
  readonly rates: readonly (readonly [currency: string, rate: number])[];
  /** HTTP status; 0: there was no response. */
  readonly status: number;
  readonly ms: number;
  readonly failure: string | undefined;
}

const PAUSE_MS = 2_000;
const { pricesUrl } = configuration;

/** Requests the prices repeatedly while a user is logged in and the page is shown, so a session that ended elsewhere ends here. */
export function usePrices(isActive: boolean): Prices | undefined {
  const [prices, setPrices] = useState<Prices>();
  useEffect(() => {
    if (!isActive || pricesUrl === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stopped = new AbortController();
    const request = async () => {
      if (!document.hidden) {
        const found = await readPrices(`${pricesUrl}/prices`, stopped.signal);
        if (stopped.signal.aborted) return;
        setPrices((last) => ({ ...found, rates: found.rates.length > 0 ? found.rates : (last?.rates ?? []) }));
      }
      timer = setTimeout(request, PAUSE_MS);
    };
    void request();
    return () => {
      stopped.abort();
      clearTimeout(timer);
      setPrices(undefined);
    };
  }, [isActive]);
  return prices;
}

async function readPrices(url: string, signal: AbortSignal): Promise<Prices> {
  const begun = performance.now();
  try {
    const response = await session.fetch(url, { signal });
    const body: unknown = await response.json();
    const { prices = {}, code } = Object(body) as { prices?: Record<string, number>; code?: string };
    const ms = Math.round(performance.now() - begun);
    return { rates: Object.entries(prices), status: response.status, ms, failure: response.ok ? undefined : code };
  } catch (error) {
    return { rates: [], status: 0, ms: 0, failure: sentenceOf(error) };
  }
}

export function PricesCard({ prices }: { readonly prices: Prices | undefined }) {
  if (pricesUrl === undefined) return null;
  const verdict =
    prices === undefined ? 'asking …' : prices.status === 0 ? 'no response' : `${prices.status} in ${prices.ms} ms`;
  return (
    <Card
      title="Prices"
      about="Another service, requested every two seconds with your access token."
      actions={<span class={`badge ${prices?.failure ? 'bad' : 'good'}`}>{verdict}</span>}
    >
      <ul class="rates">
        {prices?.rates.map(([currency, rate]) => (
          <li key={currency}>
            <span>{currency}</span>
            <strong>{rate.toFixed(2)}</strong>
          </li>
        ))}
      </ul>
      {prices?.failure && <Notice kind="error">{prices.failure}</Notice>}
    </Card>
  );
}
