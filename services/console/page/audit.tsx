import { Card, Link, Notice } from '@rescind/dev-page';
import { may } from './live.ts';
import { Ago, Listing, Rows, TextFilter, Title, useList, useRead } from './parts.tsx';
import { PeriodFilter, usePeriod } from './period.tsx';
import { setQuery, useAddress } from './router.ts';
import { countText } from './text.ts';

interface Entry {
  readonly seq: number;
  readonly at: number;
  readonly who: string;
  readonly operation: string;
  readonly targets: readonly string[];
  readonly reason: string | null;
  readonly why: string | null;
  readonly result: string;
  readonly requestId: string;
  readonly details: Readonly<Record<string, unknown>>;
}

interface Verification {
  readonly intact: boolean;
  readonly entries: number;
  readonly broken: { readonly seq: number; readonly why: string } | null;
}

const FILTERS = ['who', 'operation', 'target', 'result'] as const;

/** Who did what and why, executed or refused, with whether the entries are intact. */
export function Audit() {
  const { query } = useAddress();
  const filter = new URLSearchParams();
  for (const name of FILTERS) {
    const value = query.get(name);
    if (value) filter.set(name, value);
  }
  const seq = Number(query.get('seq'));
  if (seq > 0) filter.set('after', String(seq + 1));
  const period = usePeriod();
  const list = useList<Entry>(`audit?${filter}${period}`, seq > 0 ? 1 : 100);
  const { value: verified, failure } = useRead<Verification>('/admin/audit/verification');
  return (
    <>
      <Title>Audit</Title>
      {failure && <Notice kind="error">{failure}</Notice>}
      {verified && (
        <Notice kind={verified.intact ? 'success' : 'error'}>
          {verified.intact
            ? `Verified: ${countText(verified.entries, 'entry', 'entries')}, present and unchanged.`
            : `Entry ${verified.broken?.seq} is ${verified.broken?.why}.`}
        </Notice>
      )}
      <Card title="The latest first">
        <div class="filters">
          <PeriodFilter />
          {FILTERS.map((name) => (
            <TextFilter
              key={name}
              name={name}
              value={query.get(name) ?? ''}
              apply={(value) => setQuery({ [name]: value, seq: '' })}
            />
          ))}
        </div>
        <Listing list={list} of="entries" empty="No entry.">
          {(entries) => (
            <Rows columns={[{ name: 'Entry', as: 'number' }, 'When', 'Who', 'What', 'Why', 'Result']}>
              {entries.map((one) => (
                <tr key={one.seq}>
                  <td data-label="Entry" class="number">
                    {one.seq}
                  </td>
                  <td data-label="When">
                    <Ago at={one.at} />
                  </td>
                  <td data-label="Who">
                    {one.who}
                    {typeof one.details.via === 'string' && <span class="about"> via {one.details.via}</span>}
                  </td>
                  <td data-label="What" class="main">
                    {one.operation} <span class="about">{one.targets.join(', ')}</span>
                  </td>
                  <td data-label="Why">{one.why ?? '—'}</td>
                  <td data-label="Result">
                    {typeof one.details.txn === 'string' && may('getRevocation') ? (
                      <Link to={`/revocations/${encodeURIComponent(one.details.txn)}`}>{one.result}</Link>
                    ) : (
                      one.result
                    )}
                  </td>
                </tr>
              ))}
            </Rows>
          )}
        </Listing>
      </Card>
    </>
  );
}
