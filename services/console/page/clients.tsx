import { Card, Link } from '@rescind/dev-page';
import { ActButton } from './act.tsx';
import { may } from './live.ts';
import { Listing, Rows, Title, useList } from './parts.tsx';
import { useAddress } from './router.ts';

interface Client {
  readonly clientId: string;
  readonly name: string;
  readonly authMethod: string;
  readonly mayIntrospect: boolean;
  readonly scope?: string;
  readonly audience?: readonly string[];
  readonly disabled: boolean;
  readonly secrets: number;
}

/** The registered applications. */
export function Clients() {
  const list = useList<Client>('clients', null);
  const only = useAddress().query.get('client');
  return (
    <>
      <Title cli="rescind clients">Clients</Title>
      <Card title="Applications" about="Registering one and its secrets: the command line, or the administration.">
        {only && <Link to="/clients">Show all</Link>}
        <Listing list={list} of="clients" empty="There is no client.">
          {(clients) => (
            <Rows columns={['Client', 'Name', 'Authenticates by', 'Audiences', 'State', { name: 'Acts', as: 'aloud' }]}>
              {clients
                .filter(({ clientId }) => !only || clientId === only)
                .map((one) => (
                  <tr key={one.clientId}>
                    <td data-label="Client" class="main">
                      {may('listSessions') ? (
                        <Link to={`/sessions?client_id=${encodeURIComponent(one.clientId)}`}>{one.clientId}</Link>
                      ) : (
                        one.clientId
                      )}
                    </td>
                    <td data-label="Name">{one.name}</td>
                    <td data-label="Authenticates by">
                      {one.authMethod === 'none' ? 'nothing (public)' : one.authMethod}
                      {one.secrets > 1 && ` (${one.secrets} secrets)`}
                    </td>
                    <td data-label="Audiences">{one.audience?.join(', ') ?? 'all services'}</td>
                    <td data-label="State">
                      <span class={`badge ${one.disabled ? 'bad' : 'good'}`}>
                        {one.disabled ? 'disabled' : 'enabled'}
                      </span>
                    </td>
                    <td class="acts">
                      <ClientAct client={one} done={list.reload} />
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

function ClientAct({ client: { clientId, disabled }, done }: { readonly client: Client; readonly done: () => void }) {
  const path = `/admin/clients/${encodeURIComponent(clientId)}`;
  return disabled ? (
    <ActButton
      act={{
        operation: 'enableClient',
        label: 'Enable …',
        title: `Let ${clientId} log in again?`,
        path: `${path}/enable`,
        tier: 'one',
        consequence: 'Earlier tokens stay denied.',
        done,
      }}
    />
  ) : (
    <ActButton
      act={{
        operation: 'disableClient',
        label: 'Disable …',
        title: `Disable ${clientId}?`,
        path: `${path}/disable`,
        body: { confirm: 'everybody' },
        reason: 'client_disabled',
        cutoffs: [{ claim: 'client_id', value: clientId }],
        tier: 'wide',
        consequence: 'Its logins and refreshes are refused until it is enabled.',
        done,
      }}
    />
  );
}
