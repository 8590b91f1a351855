import { Card, Link, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { call } from './api.ts';
import { may, useLive } from './live.ts';
import { Ago, Rows, Title, useWork } from './parts.tsx';
import { namesOf } from './receipt-text.ts';
import { dayText, denialText } from './text.ts';

/** Claims that are seconds since 1970 (RFC 7519 section 4.1, OpenID Connect). */
const TIMES: ReadonlySet<string> = new Set(['iat', 'exp', 'nbf', 'auth_time']);

/** What the most frequent codes mean; the others explain themselves. */
const MEANINGS: Readonly<Record<string, string>> = {
  token_malformed: 'This is no JWT: a refresh token, or a part of one.',
  token_key_unknown: 'No key of this issuer signed it: another issuer did, or its key was withdrawn.',
  token_signature_wrong: 'It was changed after it was signed.',
  token_issuer_unknown: 'Another issuer issued it.',
  token_expired: 'It has expired: the application has to refresh it.',
};

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
      setExplanation(
        await call<Explanation>('/admin/explain', { body: { token: token.trim().replace(/^Bearer\s+/i, '') } }),
      ),
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
            onInput={(event) => {
              setToken(event.currentTarget.value);
              // The result below is that of the token before.
              setExplanation(undefined);
            }}
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
          {MEANINGS[error.code]} <code>{error.code}</code> {error.detail}
        </Notice>
      )}
      {first && may('listInstances') && (
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
                {may('getRevocation') ? (
                  <Link to={`/revocations/${encodeURIComponent(entry.txn)}`}>Show the crossing</Link>
                ) : (
                  <code>{entry.txn}</code>
                )}
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
                {TIMES.has(name) && typeof value === 'number' && <span class="about">{dayText(value * 1_000)}</span>}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Card>
  );
}
