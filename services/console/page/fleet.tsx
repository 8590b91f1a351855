import { Card, Link } from '@rescind/dev-page';
import { useMemo, useState } from 'preact/hooks';
import type { Instance } from '../src/frames.ts';
import { Crossing } from './crossing.tsx';
import { useLive, useTime } from './live.ts';
import { Ago, Rows, Stale, StateWord, Title } from './parts.tsx';
import { setQuery, useAddress } from './router.ts';
import { ageText, byServiceAndName, countText, denialText, shortId } from './text.ts';
import { Tiles } from './tiles.tsx';

/** The instances: how the newest revocation crossed them, and each with its age and lag. */
export function Fleet() {
  const { instances, revocations, receipts } = useLive();
  const txn = useAddress().query.get('txn');
  const chosen = revocations.find((one) => one.txn === txn) ?? revocations.find((one) => receipts.get(one.txn)?.of);
  const receipt = chosen && receipts.get(chosen.txn);
  // The same element is not drawn again, such as at each key in the filter below.
  const crossing = useMemo(
    () => chosen && receipt && <Crossing revocation={chosen} receipt={receipt} />,
    [chosen, receipt],
  );
  const present = [...instances.values()].filter(({ state }) => state !== 'left');
  const services = [...Map.groupBy(present, ({ service }) => service)];
  const versions = new Set(present.map(({ version }) => version));
  return (
    <>
      <Title about={<Stale />} cli="rescind instances">
        {countText(present.length, 'instance')} of {countText(services.length, 'service')}
        {versions.size > 1 && `, ${versions.size} versions`}
      </Title>
      <Card
        title="The crossing of a revocation"
        actions={
          revocations.length > 1 && (
            <select
              aria-label="Which revocation"
              value={chosen?.txn ?? ''}
              onChange={(event) => setQuery({ txn: event.currentTarget.value })}
            >
              {revocations.slice(0, 50).map((one) => (
                <option key={one.txn} value={one.txn}>
                  {one.deny[0] ? denialText(one.deny[0]) : one.reason} · {shortId(one.txn)}
                </option>
              ))}
            </select>
          )
        }
      >
        {chosen && receipt ? (
          <>
            <p class="about">
              <Link to={`/revocations/${encodeURIComponent(chosen.txn)}`}>{chosen.reason.replaceAll('_', ' ')}</Link>,{' '}
              <Ago at={chosen.appendedAt} />
            </p>
            {crossing}
          </>
        ) : (
          <Tiles receipt={undefined} />
        )}
      </Card>
      <InstanceTable instances={instances} />
    </>
  );
}

/** How many rows are shown at a time: the layout of a thousand takes a second. */
const ROWS = 50;

function InstanceTable({ instances }: { readonly instances: ReadonlyMap<string, Instance> }) {
  const { query } = useAddress();
  const [from, setFrom] = useState(0);
  const { now } = useTime();
  const wanted = query.get('q')?.toLowerCase() ?? '';
  const state = query.get('state') ?? '';
  const found = useMemo(
    () =>
      [...instances.values()]
        .filter((one) => state === '' || one.state === state)
        .filter((one) =>
          `${one.service} ${one.instance} ${one.version} ${one.transport}`.toLowerCase().includes(wanted),
        )
        .sort(byServiceAndName),
    [instances, wanted, state],
  );
  const begin = from < found.length ? from : 0;
  const shown = found.slice(begin, begin + ROWS);
  return (
    <Card
      title="Each instance"
      about={`${found.length.toLocaleString('en')} of ${countText(instances.size, 'instance')}`}
    >
      <div class="filters">
        <input
          type="search"
          aria-label="Filter by service, name or version"
          placeholder="Service, name or version"
          value={query.get('q') ?? ''}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
        />
        <select aria-label="State" value={state} onChange={(event) => setQuery({ state: event.currentTarget.value })}>
          {['', 'live', 'behind', 'lost', 'left', 'unknown'].map((one) => (
            <option key={one} value={one}>
              {one === '' ? 'any state' : one}
            </option>
          ))}
        </select>
      </div>
      <Rows
        columns={[
          'Service',
          'Instance',
          'State',
          { name: 'Age', as: 'number' },
          { name: 'Lag', as: 'number' },
          'Version',
          'Reads',
          'Since',
        ]}
        rowCount={found.length + 1}
      >
        {shown.map((one, index) => (
          <tr key={one.id} aria-rowindex={begin + index + 2}>
            <td data-label="Service">{one.service}</td>
            <td data-label="Instance" class="main">
              {one.instance}
            </td>
            <td data-label="State">
              <StateWord state={one.state} />
              {one.suspect !== null && <span class="badge bad">{one.suspect}</span>}
            </td>
            <td data-label="Age" class="number">
              {one.asOf === null ? '—' : ageText(now - one.asOf)}
            </td>
            <td data-label="Lag" class="number">
              {one.lag === null ? 'other epoch' : `+${one.lag}`}
            </td>
            <td data-label="Version">{one.version ?? '—'}</td>
            <td data-label="Reads">{one.transport ?? '—'}</td>
            <td data-label="Since">
              <Ago at={one.since} />
            </td>
          </tr>
        ))}
      </Rows>
      {found.length > ROWS && (
        <div class="pager">
          <button type="button" class="small" disabled={begin === 0} onClick={() => setFrom(begin - ROWS)}>
            Before
          </button>
          <span>
            {begin + 1} to {begin + shown.length} of {found.length.toLocaleString('en')}
          </span>
          <button
            type="button"
            class="small"
            disabled={begin + ROWS >= found.length}
            onClick={() => setFrom(begin + ROWS)}
          >
            Next
          </button>
        </div>
      )}
    </Card>
  );
}
