import { Card, Link, Notice } from '@rescind/dev-page';
import { useEffect, useMemo } from 'preact/hooks';
import type { Receipt, Revocation } from '../src/frames.ts';
import { ActButton } from './act.tsx';
import { Crossing } from './crossing.tsx';
import { Curve } from './curve.tsx';
import { may, useLive } from './live.ts';
import { Ago, Listing, Rows, Stale, Title, useList, useRead } from './parts.tsx';
import { PropagationChart } from './propagation.tsx';
import { dayText, denialText, isoText, msText, shortId } from './text.ts';

/** The revocations that still deny something; or one, with its receipt. */
export const Revocations = ({ id }: { readonly id: string }) => (id === '' ? <All /> : <One txn={id} />);

/** Of everybody: the emergency. */
const EMERGENCY = {
  operation: 'emergency',
  label: 'Log out everybody …',
  title: 'Log out everybody?',
  path: '/admin/emergency',
  body: { confirm: 'everybody' },
  reason: 'emergency',
  cutoffs: [{ claim: 'iss' }],
  tier: 'wide',
  consequence: 'Every session ends and every token issued until now is denied, yours too. New logins work at once.',
} as const;

function All() {
  const { revocations, receipts } = useLive();
  const [newest] = revocations;
  const list = useList<Revocation>('revocations');
  // What the stream has is newer than the page that was loaded.
  useEffect(list.reload, [newest?.txn]);
  return (
    <>
      <Title about={<Stale />} cli="rescind revocations">
        Revocations
      </Title>
      <PropagationChart />
      <Card
        title="In force"
        about="The newest first. One is removed when the last token that it denies has expired."
        actions={<ActButton act={EMERGENCY} isMain />}
      >
        <Listing list={list} of="revocations" empty="Nothing is revoked at present.">
          {(items) => (
            <Rows
              columns={[
                'Denies',
                'Reason',
                'When',
                { name: 'Seq', as: 'number' },
                'Arrival',
                { name: 'Denied on', as: 'number' },
              ]}
            >
              {items.map((one) => (
                <Row key={one.txn} one={one} receipt={receipts.get(one.txn)} />
              ))}
            </Rows>
          )}
        </Listing>
      </Card>
    </>
  );
}

function Row({ one, receipt }: { readonly one: Revocation; readonly receipt: Receipt | undefined }) {
  const [first] = one.deny;
  // The same element is not drawn again.
  const curve = useMemo(() => receipt && receipt.of > 0 && <Curve receipt={receipt} isSmall />, [receipt]);
  return (
    <tr>
      <td data-label="Denies" class="main">
        <Link to={`/revocations/${encodeURIComponent(one.txn)}`}>
          {first === undefined ? 'an event key' : denialText(first)}
          {one.deny.length > 1 && ` and ${one.deny.length - 1} more`}
        </Link>
      </td>
      <td data-label="Reason">{one.reason.replaceAll('_', ' ')}</td>
      <td data-label="When">
        <Ago at={one.appendedAt} />
      </td>
      <td data-label="Seq" class="number">
        {one.seq}
      </td>
      <td data-label="Arrival">{curve || '—'}</td>
      <td data-label="Denied on" class="number">
        {receipt ? `${receipt.reached} of ${receipt.of}` : '—'}
        {receipt?.lastMs != null && <span class="about"> {msText(receipt.lastMs)}</span>}
      </td>
    </tr>
  );
}

interface AuditEntry {
  readonly seq: number;
  readonly at: number;
  readonly who: string;
  readonly operation: string;
  readonly why: string | null;
  readonly requestId: string;
  readonly details: Readonly<Record<string, unknown>>;
}

function One({ txn }: { readonly txn: string }) {
  const { revocations, receipts } = useLive();
  const { value: found, failure } = useRead<Revocation & { readonly receipt: Receipt }>(
    `/admin/revocations/${encodeURIComponent(txn)}`,
  );
  if (failure !== undefined) return <Notice kind="error">{failure}</Notice>;
  if (!found) return <p class="empty">Loading the revocation …</p>;
  const [first] = found.deny;
  const receipt = receipts.get(txn) ?? found.receipt;
  const { published } = revocations.find((one) => one.txn === txn) ?? found;
  return (
    <>
      <Title about={<Stale />} cli={`rescind revocations show ${shortId(txn).replace('…', '')}`}>
        {first === undefined ? 'An event key' : denialText(first)}: {found.reason.replaceAll('_', ' ')}
      </Title>
      <Card title="The crossing" about={<Ago at={found.appendedAt} />}>
        <Crossing revocation={found} receipt={receipt} />
      </Card>
      {receipt.missing.length > 0 && <Missing receipt={receipt} />}
      <Card title="What it denies">
        <dl class="facts">
          {found.deny.map(({ claim, value, issuedUntil, expiresAt, endsSession }) => (
            <div key={claim + value}>
              <dt>{claim === 'iss' ? 'every token' : claim}</dt>
              <dd>
                <code>{value}</code>
                <span class="about">
                  {issuedUntil === null ? 'all of its tokens' : `issued until ${dayText(issuedUntil)}`}
                  {endsSession && ', the session ends'}
                  {expiresAt === null ? ', without end' : `, until ${dayText(expiresAt)}`}
                </span>
                {claim === 'sub' && may('getUser') && (
                  <Link to={`/people/${encodeURIComponent(value)}`}>Show the person</Link>
                )}
              </dd>
            </div>
          ))}
          <div>
            <dt>txn</dt>
            <dd>
              <code>{txn}</code>
            </dd>
          </div>
          <div>
            <dt>position</dt>
            <dd>
              <code>
                {found.epoch}:{found.seq}
              </code>
              <span class="about">{published ? 'published' : 'Kafka has not acknowledged it yet'}</span>
            </dd>
          </div>
          <div>
            <dt>committed</dt>
            <dd>{isoText(found.appendedAt)}</dd>
          </div>
        </dl>
      </Card>
      {may('listAudit') && <Audited found={found} />}
    </>
  );
}

function Missing({ receipt }: { readonly receipt: Receipt }) {
  return (
    <Card
      title="Who is missing"
      about="An instance that is lost may still serve requests; then it denies by what it has applied."
    >
      <Rows columns={['Instance', 'Service', 'State', { name: 'Has applied', as: 'number' }]}>
        {receipt.missing.map(({ id, service, instance, state, seq }) => (
          <tr key={id}>
            <td data-label="Instance" class="main">
              {instance}
            </td>
            <td data-label="Service">{service}</td>
            <td data-label="State">{state}</td>
            <td data-label="Has applied" class="number">
              {seq}
            </td>
          </tr>
        ))}
      </Rows>
    </Card>
  );
}

const MINUTE_MS = 60_000;

/** The entry of the audit whose command made the revocation. Logouts of users are in no audit. */
function Audited({ found: { txn, appendedAt } }: { readonly found: Revocation }) {
  const list = useList<AuditEntry>(`audit?since=${appendedAt - MINUTE_MS}&until=${appendedAt + MINUTE_MS}`, 200);
  const entry = list.state.kind === 'ready' ? list.state.items.find(({ details }) => details.txn === txn) : undefined;
  if (!entry) return null;
  return (
    <Card title="Who and why">
      <p>
        {entry.who} ({entry.operation}): “{entry.why}”. <Link to={`/audit?seq=${entry.seq}`}>Entry {entry.seq}</Link>,
        request <code>{entry.requestId}</code>
      </p>
    </Card>
  );
}
