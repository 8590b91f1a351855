import { Card, Link, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { call } from './api.ts';
import { useLive } from './live.ts';
import { Ago, Rows, Title, useWork } from './parts.tsx';
import { namesOf } from './receipt-text.ts';
import { denialText } from './text.ts';

interface Explanation {
  readonly error: { readonly code: string; readonly detail: string | null } | null;
  readonly revoked: boolean | null;
  readonly entries: readonly {
    readonly claim: string;
    readonly value: string;
    readonly txn: string;
    readonly reason: string;
    readonly since: number | null;
    readonly epoch: string;
    readonly seq: number;
  }[];
  readonly claims: Readonly<Record<string, unknown>> | null;
}

/** Why a token is refused. It is sent in a body, and is in no address, no storage and no log; leaving the page clears it. */
export function Explain() {
  const [token, setToken] = useState('');
  const [explanation, setExplanation] = useState<Explanation>();
  const work = useWork();
  const clear = () => {
    setToken('');
    setExplanation(undefined);
  };
  useEffect(() => {
    // Also when the browser keeps the page for its back button.
    addEventListener('pagehide', clear);
    return () => removeEventListener('pagehide', clear);
  }, []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work.run(async () =>
      setExplanation(await call<Explanation>('/admin/explain', { body: { token: token.trim() } })),
    );
  };
  return (
    <>
      <Title cli="rescind explain --token-file -">Explain a refusal</Title>
      <Card title="Paste an access token" about="It is sent to user-management in a body, and stored nowhere.">
        <form onSubmit={submit}>
          <textarea
            aria-label="Access token"
            placeholder="eyJ…"
            autocomplete="off"
            spellcheck={false}
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
          {work.failure && <Notice kind="error">{work.failure}</Notice>}
          <div class="actions">
            <button type="button" onClick={clear}>
              Clear
            </button>
            <button type="submit" class="primary" disabled={work.isRunning}>
              Explain
            </button>
          </div>
        </form>
      </Card>
      {explanation && <Result explanation={explanation} />}
    </>
  );
}

function Result({ explanation: { error, revoked, entries, claims } }: { readonly explanation: Explanation }) {
  const { instances } = useLive();
  const [first] = entries;
  const accepting =
    first === undefined
      ? []
      : [...instances.values()].filter(
          (one) => one.state !== 'left' && (one.epoch !== first.epoch || one.seq < first.seq),
        );
  return (
    <Card title={revoked ? 'It is revoked' : error ? 'It is refused, and not for a revocation' : 'Nothing denies it'}>
      {error && (
        <Notice kind="error">
          <code>{error.code}</code> {error.detail}
        </Notice>
      )}
      {first && (
        <p class="sentence">
          {accepting.length === 0
            ? 'Every instance that reports denies it.'
            : `Not applied yet by ${namesOf(accepting)}.`}
        </p>
      )}
      {!error && revoked === false && (
        <p class="about">
          If a service refuses it nevertheless, compare its AUDIENCE with <code>aud</code> below and its ISSUER with{' '}
          <code>iss</code>; its response and its log name the code, and <code>rescind doctor</code> a wrong setting.
        </p>
      )}
      {entries.length > 0 && (
        <Rows columns={['Denied by', 'Reason', 'Since', 'Revocation']}>
          {entries.map((entry) => (
            <tr key={entry.txn + entry.claim}>
              <td data-label="Denied by" class="main">
                {denialText(entry)}
              </td>
              <td data-label="Reason">{entry.reason.replaceAll('_', ' ')}</td>
              <td data-label="Since">{entry.since === null ? '—' : <Ago at={entry.since} />}</td>
              <td data-label="Revocation">
                <Link to={`/revocations/${encodeURIComponent(entry.txn)}`}>Show the crossing</Link>
              </td>
            </tr>
          ))}
        </Rows>
      )}
      {claims && (
        <dl class="facts">
          {Object.entries(claims).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code>{typeof value === 'string' ? value : JSON.stringify(value)}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Card>
  );
}
