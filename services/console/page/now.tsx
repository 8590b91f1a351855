import { Card, Link, Notice } from '@rescind/dev-page';
import { useMemo } from 'preact/hooks';
import type { Receipt, Revocation } from '../src/frames.ts';
import { Curve } from './curve.tsx';
import { may, useLive, useTime } from './live.ts';
import { Ago, Stale, Title } from './parts.tsx';
import { ageText, clockText, countText, denialText, msText } from './text.ts';

const HOUR_MS = 3_600_000;
const SECOND_MS = 1_000;
/** The age from which a view is degraded. */
const DEGRADED_MS = 10_000;
const SHOWN = 10;
/** How long Kafka may take to acknowledge a revocation before the page says so. */
const UNACKNOWLEDGED_MS = 5_000;

/** One sentence and five numbers: whether all is well. */
export function Now() {
  const { instances, revocations, receipts, propagation } = useLive();
  const { now } = useTime();
  const all = [...instances.values()].filter(({ state }) => state !== 'left');
  const count = (state: string) => all.filter((one) => one.state === state).length;
  const [live, behind, lost, unknown] = [count('live'), count('behind'), count('lost'), count('unknown')];
  const ages = all.flatMap(({ asOf, state }) => (asOf === null || state === 'lost' ? [] : [now - asOf]));
  const oldest = ages.length === 0 ? null : Math.max(...ages);
  const lastHour = propagation.filter(({ at }) => now - at < HOUR_MS);
  // What no instance denies yet has no time.
  const unreached = revocations.filter(
    ({ txn, appendedAt }) =>
      now - appendedAt < HOUR_MS && now - appendedAt > SECOND_MS && isUnreached(receipts.get(txn)),
  ).length;
  const counted = lastHour.length + unreached;
  const quick = lastHour.filter(({ p99, of, reached }) => reached >= of && p99 <= SECOND_MS).length;
  const p99 = lastHour.map((point) => point.p99).toSorted((a, b) => a - b)[Math.floor(lastHour.length * 0.99)] ?? null;
  return (
    <>
      <Title about={<Stale />} cli="rescind status --watch">
        {all.length === 0
          ? 'No instance reports yet'
          : live === all.length
            ? `${all.length === 1 ? 'The only instance denies' : `All ${countText(all.length, 'instance')} deny`} what was revoked up to ${clockText(now - (oldest ?? 0))}`
            : `${live} of ${countText(all.length, 'instance')} deny what was revoked; ${lost + behind + unknown} may not`}
      </Title>
      <Unacknowledged />
      <ul class="numbers">
        <Figure to="/fleet" name="Instances live" value={`${live}`} of={`of ${all.length}`} isBad={live < all.length} />
        <Figure
          to="/fleet"
          name="Lost or behind"
          value={`${lost + behind}`}
          of={unknown > 0 ? `and ${unknown} unknown` : 'lost, behind'}
          isBad={lost + behind > 0}
        />
        <Figure
          to="/fleet"
          name="Oldest view"
          value={
            oldest === null ? '—' : oldest < 1_000 ? `${Math.max(0, Math.round(oldest / 100) / 10)} s` : ageText(oldest)
          }
          of="degraded from 10 s"
          isBad={oldest === null || oldest > DEGRADED_MS}
        />
        <Figure
          to="/revocations"
          name="Denied within 1 s"
          value={counted === 0 ? '—' : `${Math.floor((100 * quick) / counted)} %`}
          of={`of ${countText(counted, 'revocation')}, 1 h`}
          isBad={quick < counted}
        />
        <Figure
          to="/revocations"
          name="Propagation p99"
          value={msText(p99)}
          of="last hour"
          isBad={(p99 ?? 0) > SECOND_MS}
        />
      </ul>
      <Card
        title="Last revocations"
        about="Each curve is the share of the instances that deny it, by the time since its commit."
      >
        {!may('listRevocations') ? (
          <Notice kind="info">Your account may not read revocations.</Notice>
        ) : revocations.length === 0 ? (
          <p class="empty">Nothing is revoked at present.</p>
        ) : (
          <ul class="recent">
            {revocations.slice(0, SHOWN).map((one) => (
              <RecentRow key={one.txn} revocation={one} receipt={receipts.get(one.txn)} />
            ))}
          </ul>
        )}
      </Card>
    </>
  );
}

const isUnreached = (receipt: Receipt | undefined): boolean =>
  receipt !== undefined && receipt.reached === 0 && receipt.missing.length > 0;

/** While Kafka is away every number is good: instances read the log by HTTP. The operator has to know that nothing else is left. */
function Unacknowledged() {
  const { instances, revocations } = useLive();
  const { now } = useTime();
  const late = revocations.filter((one) => !one.published && now - one.appendedAt > UNACKNOWLEDGED_MS);
  const oldest = late.at(-1);
  if (oldest === undefined) return null;
  const live = [...instances.values()].filter(({ state }) => state === 'live');
  const byHttp = live.filter(({ transport }) => transport === 'http').length;
  return (
    <Notice kind="info">
      {`Kafka has not acknowledged ${countText(late.length, 'revocation')} since ${clockText(oldest.appendedAt)}. `}
      {`${byHttp} of ${countText(live.length, 'instance')} read the log by HTTP. `}
      <code>rescind doctor --only kafka</code>
    </Notice>
  );
}

interface FigureProps {
  readonly to: string;
  readonly name: string;
  readonly value: string;
  readonly of: string;
  readonly isBad: boolean;
}

function Figure({ to, name, value, of, isBad }: FigureProps) {
  return (
    <li class={isBad ? 'bad' : ''}>
      <Link to={to}>
        <span class="name">{name}</span>
        <span class="value">
          {value}
          {isBad && <span class="warn"> !</span>}
        </span>
        <span class="of">{of}</span>
      </Link>
    </li>
  );
}

function RecentRow({
  revocation,
  receipt,
}: {
  readonly revocation: Revocation;
  readonly receipt: Receipt | undefined;
}) {
  const [first] = revocation.deny;
  const more = revocation.deny.length - 1;
  // The same element is not drawn again.
  const curve = useMemo(() => receipt && receipt.of > 0 && <Curve receipt={receipt} isSmall />, [receipt]);
  return (
    <li>
      <Link to={`/revocations/${encodeURIComponent(revocation.txn)}`}>
        <span class="what">
          <strong>
            {first === undefined ? 'an event key' : denialText(first)}
            {more > 0 && ` and ${more} more`}
          </strong>
          <span class="about">{revocation.reason.replaceAll('_', ' ')}</span>
        </span>
        {curve || <span class="curve-none" />}
        <span class={`reach ${receipt?.complete ? 'good' : receipt && receipt.of > 0 ? 'bad' : ''}`}>
          {receipt ? `${receipt.reached} of ${receipt.of}` : '…'}
          <span class="about">{receipt?.lastMs == null ? '' : msText(receipt.lastMs)}</span>
        </span>
        <span class="when">
          <Ago at={revocation.appendedAt} />
        </span>
      </Link>
    </li>
  );
}
