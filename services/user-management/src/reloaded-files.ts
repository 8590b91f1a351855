import type { RevocationsHandlerOptions } from '@rescind/feed';
import { createBasicAuthenticator } from '@rescind/feed';
import type { Client, IssuerClients } from '@rescind/issuer';
import type { Reloads } from '@rescind/service';
import type { Operator } from './admin/operators.ts';
import { readOperators } from './admin/operators.ts';
import { readFeedClients } from './feed-clients.ts';
import type { FileClient } from './oauth/clients-file.ts';
import { readClientsFile, toClients } from './oauth/clients-file.ts';

interface Paths {
  readonly FEED_CLIENTS_FILE?: string | undefined;
  readonly CLIENTS_FILE?: string | undefined;
  readonly ADMIN_OPERATORS_FILE?: string | undefined;
}

/** Who may do what by a file: the content that was accepted last. */
export interface ReloadedFiles {
  /** The clients of the files, as the issuer takes them. */
  clients(): readonly Client[];
  operators(): ReadonlyMap<string, Operator>;
  /** By FEED_CLIENTS_FILE, as it is now. */
  readonly authenticateReader: RevocationsHandlerOptions['authenticate'];
  /** Follows the files from now on. */
  follow(reloads: Reloads, issuer: IssuerClients, endReaders: (client: string) => void): void;
}

/**
 * Reads the files.
 * @param audiences those that a client may be registered for
 * @throws ConfigurationError
 */
export function openReloadedFiles(paths: Paths, audiences: readonly string[]): ReloadedFiles {
  let feedClients = readFeedClients(paths.FEED_CLIENTS_FILE);
  let fileClients = readClientsFile(paths.CLIENTS_FILE, audiences);
  let operators = readOperators(paths.ADMIN_OPERATORS_FILE);
  let authenticate = createBasicAuthenticator(feedClients);

  function useFeedClients(next: Readonly<Record<string, string>>, issuer: IssuerClients): string[] {
    const authenticator = createBasicAuthenticator(next);
    issuer.replaceConfigured(toClients(fileClients, next));
    const gone = Object.entries(feedClients).filter(([id, secret]) => next[id] !== secret);
    feedClients = { ...next };
    authenticate = authenticator;
    return gone.map(([id]) => id);
  }

  return {
    clients: () => toClients(fileClients, feedClients),
    operators: () => operators,
    authenticateReader: (request) => authenticate(request),
    follow(reloads, issuer, endReaders) {
      const { FEED_CLIENTS_FILE, CLIENTS_FILE, ADMIN_OPERATORS_FILE } = paths;
      if (FEED_CLIENTS_FILE !== undefined) {
        reloads.watch({
          variable: 'FEED_CLIENTS_FILE',
          path: FEED_CLIENTS_FILE,
          read: () => readFeedClients(FEED_CLIENTS_FILE),
          // A connection lives no longer than the secret that opened it.
          apply: (next) => useFeedClients(next, issuer).forEach(endReaders),
        });
      }
      if (CLIENTS_FILE !== undefined) {
        reloads.watch<Readonly<Record<string, FileClient>>>({
          variable: 'CLIENTS_FILE',
          path: CLIENTS_FILE,
          read: () => readClientsFile(CLIENTS_FILE, audiences),
          apply(next) {
            issuer.replaceConfigured(toClients(next, feedClients));
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
