import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Feed } from '../ports.ts';
import type { TransportRole } from './core.ts';
import type { FollowerConnection, FollowerConnectionOptions } from './link.ts';
import { openFollowerConnection } from './link.ts';
import type { Transports } from './transports.ts';

/** The transports of a follower, those that are open. */
export interface FollowerConnections {
  /** In place of what is open. @param standby whether as a standby stream */
  open(id: TransportRole, standby: boolean): void;
  close(id: TransportRole): void;
  restart(id: TransportRole, reason: string): void;
  /** Hands the issuer a proof, by the transport that can. Never throws: a failure is counted and logged. */
  submitEvidence(jws: string): Promise<void>;
  /** Closes all and waits for those that were closed before, too. */
  closeAll(): Promise<void>;
}

export interface FollowerConnectionsOptions
  extends Omit<FollowerConnectionOptions, 'id' | 'transport' | 'standby' | 'transports'> {
  readonly feed: Feed;
  readonly telemetry: Telemetry;
  readonly transports: Transports;
}

export function createFollowerConnections({
  feed,
  telemetry,
  transports,
  ...parts
}: FollowerConnectionsOptions): FollowerConnections {
  const connections = new Map<TransportRole, FollowerConnection>();
  const ending = new Set<Promise<void>>();

  const close = (id: TransportRole) => {
    const connection = connections.get(id);
    if (connection === undefined) return;
    connections.delete(id);
    transports.use(id, null);
    const ended = connection
      .close()
      .catch((error: unknown) => telemetry.log('error', 'feed_close_failed', { way: id, error: String(error) }))
      .finally(() => ending.delete(ended));
    ending.add(ended);
  };

  return {
    close,
    open(id, standby) {
      const transport = id === 'primary' ? feed.primary : feed.fallback;
      if (transport === undefined || parts.closing.aborted) return;
      close(id);
      transports.use(id, standby ? 'standby' : 'reading');
      connections.set(id, openFollowerConnection({ ...parts, id, transport, standby, transports }));
    },
    restart(id, reason) {
      transports.lost(id, reason);
      connections.get(id)?.restart(reason);
    },
    async submitEvidence(jws) {
      const transport = [feed.fallback, feed.primary].find((candidate) => candidate?.submitEvidence !== undefined);
      try {
        if (transport?.submitEvidence === undefined)
          throw new RescindError('busy', { detail: 'no transport takes a proof' });
        await transport.submitEvidence(jws);
        telemetry.count('rescind_feed_proofs_total', { result: 'taken' });
      } catch (error) {
        telemetry.count('rescind_feed_proofs_total', { result: 'failed' });
        telemetry.log('warn', 'feed_proof_failed', { error: String(error) });
      }
    },
    async closeAll() {
      for (const id of [...connections.keys()]) close(id);
      await Promise.all(ending);
    },
  };
}
