import { Card } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { ActButton } from './act.tsx';
import type { Session } from './api.ts';
import { may } from './live.ts';
import { Listing, TextFilter, Title, useList } from './parts.tsx';
import { setQuery, useAddress } from './router.ts';
import { SessionRows } from './session-rows.tsx';
import { countText, untrustedText } from './text.ts';

/** The most cut-offs in one revocation. */
const MAX_CUTOFFS = 200;

/** Sessions of all users, filtered by the address; chosen ones end in one revocation. */
export function Sessions() {
  const { query } = useAddress();
  const filter = new URLSearchParams();
  for (const name of ['client_id', 'sub', 'ended']) {
    const value = query.get(name);
    if (value) filter.set(name, value);
  }
  const sid = query.get('sid');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const list = useList<Session>(
    sid ? `sessions/${encodeURIComponent(sid)}` : `sessions?${filter}`,
    sid ? null : undefined,
  );
  // What is chosen is what is shown.
  useEffect(() => setChosen(new Set()), [String(filter), sid]);
  const changed = () => {
    setChosen(new Set());
    list.reload();
  };
  const toggle = (one: string) => {
    const next = new Set(chosen);
    if (!next.delete(one)) next.add(one);
    setChosen(next);
  };
  return (
    <>
      <Title cli="rescind sessions">Sessions</Title>
      <Card
        title={sid ? 'One session' : 'The newest first'}
        actions={
          chosen.size > 0 && (
            <ActButton
              isMain
              act={{
                operation: 'createRevocation',
                label: `End ${countText(chosen.size, 'session')} …`,
                title: `End ${countText(chosen.size, 'session')}?`,
                path: '/admin/revocations',
                body: { cutoffs: [...chosen].map((value) => ({ claim: 'sid', value })), confirm: 'everybody' },
                cutoffs: [...chosen].map((value) => ({ claim: 'sid', value })),
                reason: 'ended_by_administrator',
                tier: chosen.size === 1 ? 'one' : 'wide',
                consequence: 'All of them end in one revocation.',
                done: changed,
              }}
            />
          )
        }
      >
        <div class="filters">
          <TextFilter
            name="Client"
            value={query.get('client_id') ?? ''}
            apply={(value) => setQuery({ client_id: value })}
          />
          <select
            aria-label="Which sessions"
            value={query.get('ended') ?? ''}
            onChange={(event) => setQuery({ ended: event.currentTarget.value })}
          >
            <option value="">open</option>
            <option value="true">open and ended</option>
          </select>
          {(sid || query.get('sub')) && (
            <button type="button" class="small" onClick={() => setQuery({ sid: '', sub: '' })}>
              Show all
            </button>
          )}
        </div>
        <Listing list={list} of="sessions" empty={sid ? 'There is no such session.' : 'No session is open.'}>
          {(items) => (
            <SessionRows
              sessions={items}
              showsUser
              changed={changed}
              choose={
                may('createRevocation')
                  ? (one) => (
                      <input
                        type="checkbox"
                        aria-label={`Choose the session of ${one.username ?? 'a deleted user'}, ${untrustedText(one.deviceName ?? 'no name')}`}
                        checked={chosen.has(one.sid)}
                        disabled={chosen.size >= MAX_CUTOFFS && !chosen.has(one.sid)}
                        onChange={() => toggle(one.sid)}
                      />
                    )
                  : undefined
              }
            />
          )}
        </Listing>
      </Card>
    </>
  );
}
