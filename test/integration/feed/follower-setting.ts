import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { Transport } from '@rescind/feed';
import { createBasicAuthenticator, createRevocationsHandler, httpTransport } from '@rescind/feed';
import type { FeedStore, Follower, FollowerOptions } from '@rescind/feed/follower';
import { openFollower } from '@rescind/feed/follower';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { onTestFinished } from 'vitest';
import { createListeningTelemetry } from './recorder.ts';
import { openServer } from './server.ts';
import type { SignedLog } from './signed-log.ts';
import { LOG } from './signed-log.ts';

const SECRET = 'a-secret-of-the-reader';

/** Serves a log over a real socket, with a heartbeat every 100 ms so that tests need not wait for seconds. */
export async function serve(log: SignedLog, port?: number) {
  const handler = createRevocationsHandler({
    source: log,
    authenticate: createBasicAuthenticator({ prices: SECRET }),
    heartbeatMs: 100,
  });
  const server = await openServer(handler.handle, port);
  const stop = async () => {
    handler.close();
    await server.kill();
  };
  onTestFinished(stop);
  return { handler, server, stop };
}

export function transportTo(url: string, clientSecret = SECRET): Transport {
  return httpTransport({ issuer: url, clientId: 'prices', clientSecret });
}

export interface Instance {
  readonly follower: Follower;
  readonly denylist: Denylist;
  readonly heard: () => string;
  stop(): Promise<void>;
}

/** A follower over a denylist of its own; the file stays when it is stopped. */
export function openInstance(
  log: SignedLog,
  transport: Transport,
  path: string,
  options: Partial<FollowerOptions> & { readonly wrap?: (store: FeedStore) => FeedStore } = {},
): Instance {
  const { wrap = (store) => store, ...others } = options;
  const denylist = openDenylist({ path });
  const telemetry = createListeningTelemetry();
  const follower = openFollower({
    log: LOG,
    issuers: [LOG],
    feed: { primary: transport },
    store: wrap(denylist),
    keys: log.keys,
    telemetry,
    ...others,
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= follower.close().then(() => denylist.close());
    return stopped;
  };
  onTestFinished(stop);
  return { follower, denylist, heard: telemetry.heard, stop };
}

export function rowOf({ denylist }: Instance, sid: string): CutOffRow {
  const row = denylist.row(LOG, 'sid', sid);
  if (row === undefined) throw new Error(`${sid} is not denied`);
  return row;
}

export const isDenied = ({ denylist }: Instance, sid: string): boolean => denylist.row(LOG, 'sid', sid) !== undefined;
