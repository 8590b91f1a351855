import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Feed } from '../ports.ts';
import type { WayId } from './core.ts';
import type { Link, LinkOptions } from './link.ts';
import { openLink } from './link.ts';
import type { Transports } from './transports.ts';

/** The ways of a follower, those that are open. */
export interface Links {
  /** In place of what is open. @param standby whether as a standby stream */
  open(id: WayId, standby: boolean): void;
  close(id: WayId): void;
  restart(id: WayId, reason: string): void;
  /** Hands the issuer a proof, by the way that can. Never throws: a failure is counted and logged. */
  prove(jws: string): Promise<void>;
  /** Closes all and waits for those that were closed before, too. */
  closeAll(): Promise<void>;
}

export interface LinksOptions extends Omit<LinkOptions, 'id' | 'way' | 'standby' | 'transports'> {
  readonly feed: Feed;
  readonly telemetry: Telemetry;
  readonly transports: Transports;
}

export function createLinks({ feed, telemetry, transports, ...parts }: LinksOptions): Links {
  const links = new Map<WayId, Link>();
  const ending = new Set<Promise<void>>();

  const close = (id: WayId) => {
    const link = links.get(id);
    if (link === undefined) return;
    links.delete(id);
    transports.use(id, null);
    const ended = link
      .close()
      .catch((error: unknown) => telemetry.log('error', 'feed_close_failed', { way: id, error: String(error) }))
      .finally(() => ending.delete(ended));
    ending.add(ended);
  };

  return {
    close,
    open(id, standby) {
      const way = id === 'first' ? feed.first : feed.second;
      if (way === undefined || parts.closing.aborted) return;
      close(id);
      transports.use(id, standby ? 'standby' : 'reading');
      links.set(id, openLink({ ...parts, id, way, standby, transports }));
    },
    restart(id, reason) {
      transports.lost(id, reason);
      links.get(id)?.restart(reason);
    },
    async prove(jws) {
      const way = [feed.second, feed.first].find((candidate) => candidate?.prove !== undefined);
      try {
        if (way?.prove === undefined) throw new RescindError('busy', { detail: 'no way takes a proof' });
        await way.prove(jws);
        telemetry.count('rescind_feed_proofs_total', { result: 'taken' });
      } catch (error) {
        telemetry.count('rescind_feed_proofs_total', { result: 'failed' });
        telemetry.log('warn', 'feed_proof_failed', { error: String(error) });
      }
    },
    async closeAll() {
      for (const id of [...links.keys()]) close(id);
      await Promise.all(ending);
    },
  };
}
