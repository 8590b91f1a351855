import { Card, Link, Notice } from '@rescind/dev-page';
import { ActButton } from './act.tsx';
import { may, useLive } from './live.ts';
import { Ago, Listing, Rows, Title, useList } from './parts.tsx';
import { useAddress } from './router.ts';
import { countText, dayText, shortId } from './text.ts';

interface Key {
  readonly kid: string;
  readonly purpose: 'token' | 'event';
  readonly alg: string;
  readonly state: 'next' | 'active' | 'former' | 'revoked';
  readonly createdAt: number;
  readonly activatedAt: number | null;
  readonly retiresAt: number | null;
}

/** The signing keys, and which epoch of the log each instance has. */
export function Keys() {
  const list = useList<Key>('keys', null);
  const only = useAddress().query.get('kid');
  return (
    <>
      <Title cli="rescind keys">Keys and epochs</Title>
      <Card title="Signing keys" about="A rotation publishes the next key before it signs: no user is logged out.">
        {only && <Link to="/keys">Show all</Link>}
        <Listing list={list} of="keys" empty="There is no key.">
          {(keys) => (
            <Rows columns={['Key', 'Signs', 'Algorithm', 'State', 'Made', 'Retires', { name: 'Acts', as: 'aloud' }]}>
              {keys
                .filter(({ kid }) => !only || kid === only)
                .map((one) => (
                  <tr key={one.kid}>
                    <td data-label="Key" class="main">
                      <code title={one.kid}>{shortId(one.kid)}</code>
                    </td>
                    <td data-label="Signs">{one.purpose === 'token' ? 'access tokens' : 'events of the log'}</td>
                    <td data-label="Algorithm">{one.alg}</td>
                    <td data-label="State">
                      <span class={`badge ${one.state === 'active' ? 'good' : one.state === 'revoked' ? 'bad' : ''}`}>
                        {one.state}
                      </span>
                    </td>
                    <td data-label="Made">
                      <Ago at={one.createdAt} />
                    </td>
                    <td data-label="Retires">{one.retiresAt === null ? '—' : dayText(one.retiresAt)}</td>
                    <td class="acts">
                      {one.state !== 'revoked' && (
                        <ActButton
                          act={{
                            operation: 'revokeKey',
                            label: 'Revoke …',
                            title: `Revoke the key ${shortId(one.kid)}?`,
                            path: `/admin/keys/${encodeURIComponent(one.kid)}/revoke`,
                            body: { confirm: 'everybody' },
                            reason: 'key_compromised',
                            tier: 'wide',
                            consequence:
                              'Every instance refuses what it has signed, without end. Sessions continue with the key that replaces it.',
                            done: list.reload,
                          }}
                        />
                      )}
                    </td>
                  </tr>
                ))}
            </Rows>
          )}
        </Listing>
        <div class="acts-bar">
          {(['token', 'event'] as const).map((purpose) => (
            <ActButton
              key={purpose}
              act={{
                operation: 'rotateKey',
                label: purpose === 'token' ? 'Rotate the key of tokens …' : 'Rotate the key of events …',
                title: 'Publish the next key?',
                path: '/admin/keys/rotate',
                body: { purpose },
                tier: 'one',
                consequence: 'It signs once every reader may know it. No session ends.',
                done: list.reload,
              }}
            />
          ))}
        </div>
      </Card>
      <Epochs />
    </>
  );
}

function Epochs() {
  const { instances, revocations } = useLive();
  const present = [...instances.values()].filter(({ state }) => state !== 'left');
  const epochs = Map.groupBy(present, ({ epoch }) => epoch);
  const newest = revocations[0]?.epoch;
  return (
    <Card
      title="Epochs"
      about="The log gets another epoch when the database is restored, and when another event key signs."
    >
      {!may('listInstances') ? (
        <Notice kind="info">Your account may not read instances.</Notice>
      ) : epochs.size === 0 ? (
        <p class="empty">No instance reports yet.</p>
      ) : (
        <dl class="facts">
          {[...epochs].map(([epoch, members]) => (
            <div key={epoch}>
              <dt>
                <code title={epoch}>{shortId(epoch.replace(/^0+/, ''))}</code>
              </dt>
              <dd>
                {countText(members.length, 'instance')}, up to seq {Math.max(...members.map(({ seq }) => seq))}
                {newest !== undefined && newest !== epoch && <span class="badge bad">not the newest epoch</span>}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Card>
  );
}
