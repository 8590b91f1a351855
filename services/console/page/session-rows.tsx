import { Link } from '@rescind/dev-page';
import type { ComponentChildren } from 'preact';
import { ActButton } from './act.tsx';
import type { Session } from './api.ts';
import { may } from './live.ts';
import { Ago, Rows } from './parts.tsx';
import { isoText, untrustedText } from './text.ts';

interface SessionRowsProps {
  readonly sessions: readonly Session[];
  readonly showsUser: boolean;
  readonly changed: () => void;
  /** A checkbox before each open session. */
  readonly choose?: ((session: Session) => ComponentChildren) | undefined;
}

/** Sessions as a table: open ones with the act to end them, ended ones with their reason. */
export function SessionRows({ sessions, showsUser, changed, choose }: SessionRowsProps) {
  return (
    <Rows
      columns={[
        choose && { name: 'Chosen', as: 'aloud' },
        showsUser && 'User',
        'Device',
        'Client',
        'From',
        'Begun',
        'State',
        { name: 'Acts', as: 'aloud' },
      ]}
    >
      {sessions.map((one) => (
        <tr key={one.sid} class={one.endedAt === null ? '' : 'ended'}>
          {choose && (
            <td data-label="Chosen" class="choice">
              {one.endedAt === null && choose(one)}
            </td>
          )}
          {showsUser && (
            <td data-label="User" class="main">
              {may('getUser') ? (
                <Link to={`/people/${encodeURIComponent(one.sub)}`}>{one.username ?? 'deleted'}</Link>
              ) : (
                (one.username ?? one.sub)
              )}
            </td>
          )}
          <td data-label="Device" class={showsUser ? '' : 'main'} title={`sid ${one.sid}`}>
            {one.deviceName === null ? 'no name' : <bdi>{untrustedText(one.deviceName)}</bdi>}
          </td>
          <td data-label="Client">{one.clientId}</td>
          <td data-label="From" class="address" title={untrustedText(one.origin.userAgent ?? '')}>
            {one.origin.address ?? '—'}
          </td>
          <td data-label="Begun">
            <Ago at={one.createdAt} />
          </td>
          <td data-label="State">
            {one.endedAt === null ? (
              <>
                open, used <Ago at={one.lastUsedAt} />
              </>
            ) : (
              <span title={isoText(one.endedAt)}>
                ended{one.endReason === null ? '' : `, ${one.endReason.replaceAll('_', ' ')}`}, <Ago at={one.endedAt} />
              </span>
            )}
          </td>
          <td class="acts">
            {one.endedAt === null && (
              <ActButton
                act={{
                  operation: 'endSession',
                  label: 'End',
                  title: `End this session of ${one.username ?? 'the user'}?`,
                  path: `/admin/sessions/${encodeURIComponent(one.sid)}/end`,
                  reason: 'ended_by_administrator',
                  tier: 'one',
                  consequence: 'Its tokens are refused by every instance, and it cannot be refreshed.',
                  done: changed,
                }}
              />
            )}
          </td>
        </tr>
      ))}
    </Rows>
  );
}
