import type { RevocationsHandlerOptions } from '@rescind/feed';
import { createBasicAuthenticator } from '@rescind/feed';
import type { Client, Issuer } from '@rescind/issuer';
import type { Reloads } from '@rescind/service';
import type { Operator } from './admin/administrators.ts';
import { readOperators } from './admin/administrators.ts';
import type { FeedClientTable } from './feed-clients.ts';
import { createReaderAuthentication, hashSecret, readFeedClients } from './feed-clients.ts';
import type { FileClient } from './oauth/clients-file.ts';
import { readClientsFile, toClients } from './oauth/clients-file.ts';
import type { ClientsSource, NarrowedParts } from './oauth/narrowed-clients.ts';
import { cutOffNarrowed, narrowedClients } from './oauth/narrowed-clients.ts';

interface Paths {
  readonly FEED_CLIENTS_FILE?: string | undefined;
  readonly CLIENTS_FILE?: string | undefined;
  readonly ADMIN_OPERATORS_FILE?: string | undefined;
}

/** Clients, readers and operators of the configured files, as last accepted. */
export interface ReloadedFiles {
  /** The clients of the files, as the issuer takes them. */
  clients(): readonly Client[];
  operators(): ReadonlyMap<string, Operator>;
  /** Of FEED_CLIENTS_FILE. */
  readerIds(): string[];
  /** Authenticates by the present FEED_CLIENTS_FILE, and by what administrators have registered. */
  readonly authenticateReader: RevocationsHandlerOptions['authenticate'];
  /** Applies changed registrations; the tokens of a removed reader are cut off. */
  registeredChanged(parts: Omit<FollowingParts, 'endReaders'>): void;
  /** Watches the files. The tokens of clients that lose rights by a change are cut off. */
  follow(reloads: Reloads, parts: FollowingParts): void;
}

interface Registered {
  /** Those that a client may be registered for. */
  audiences(): readonly string[];
  readonly feedClients: Pick<FeedClientTable, 'find' | 'list'>;
}

interface FollowingParts extends NarrowedParts {
  readonly issuer: Pick<Issuer, 'clients' | 'transaction' | 'userEvents'>;
  /** Ends the streams of a reader of the log. */
  endReaders(client: string): void;
}

/**
 * Reads the files.
 * @param registered reads what administrators have registered
 * @throws ConfigurationError
 */
export function openReloadedFiles(paths: Paths, registered: Registered): ReloadedFiles {
  let feedClients = readFeedClients(paths.FEED_CLIENTS_FILE);
  let fileClients = readClientsFile(paths.CLIENTS_FILE, registered.audiences());
  let operators = readOperators(paths.ADMIN_OPERATORS_FILE);
  let authenticate = createBasicAuthenticator(feedClients);

  const clientsOf = (files: typeof fileClients, readers: typeof feedClients) => {
    const hashes = Object.entries(readers).map(([id, secret]) => [id, [hashSecret(secret)]] as const);
    const others = registered.feedClients.list().map(({ clientId, secretHashes }) => [clientId, secretHashes] as const);
    return toClients(files, new Map([...hashes, ...others]));
  };

  function replaceClients(
    { issuer, ...parts }: Omit<FollowingParts, 'endReaders'>,
    next: readonly Client[],
    source: ClientsSource,
  ): void {
    // Each call returns the clients that are configured at that time.
    const before = issuer.clients.list();
    issuer.clients.replaceConfigured(next);
    const narrowed = Promise.all([before, issuer.clients.list()]).then(([old, present]) =>
      narrowedClients(old, present),
    );
    void cutOffNarrowed(issuer, narrowed, parts, source);
  }

  function useFeedClients(next: Readonly<Record<string, string>>, parts: FollowingParts): string[] {
    const authenticator = createBasicAuthenticator(next);
    replaceClients(parts, clientsOf(fileClients, next), 'FEED_CLIENTS_FILE');
    const gone = Object.entries(feedClients).filter(([id, secret]) => next[id] !== secret);
    feedClients = { ...next };
    authenticate = authenticator;
    return gone.map(([id]) => id);
  }

  return {
    clients: () => clientsOf(fileClients, feedClients),
    readerIds: () => Object.keys(feedClients),
    registeredChanged: (parts) => replaceClients(parts, clientsOf(fileClients, feedClients), 'registered_readers'),
    operators: () => operators,
    authenticateReader: createReaderAuthentication((request) => authenticate(request), registered.feedClients),
    follow(reloads, parts) {
      const { FEED_CLIENTS_FILE, CLIENTS_FILE, ADMIN_OPERATORS_FILE } = paths;
      if (FEED_CLIENTS_FILE !== undefined) {
        reloads.watch({
          variable: 'FEED_CLIENTS_FILE',
          path: FEED_CLIENTS_FILE,
          read: () => readFeedClients(FEED_CLIENTS_FILE),
          // A connection ends with the secret that opened it.
          apply(next) {
            for (const client of useFeedClients(next, parts)) parts.endReaders(client);
          },
        });
      }
      if (CLIENTS_FILE !== undefined) {
        reloads.watch<Readonly<Record<string, FileClient>>>({
          variable: 'CLIENTS_FILE',
          path: CLIENTS_FILE,
          read: () => readClientsFile(CLIENTS_FILE, registered.audiences()),
          apply(next) {
            replaceClients(parts, clientsOf(next, feedClients), 'CLIENTS_FILE');
            fileClients = next;
          },
        });
      }
      if (ADMIN_OPERATORS_FILE !== undefined) {
        reloads.watch({
          variable: 'ADMIN_OPERATORS_FILE',
          path: ADMIN_OPERATORS_FILE,
          read: () => readOperators(ADMIN_OPERATORS_FILE),
          apply(next) {
            operators = next;
          },
        });
      }
    },
  };
}
