import { setTimeout as sleep } from 'node:timers/promises';
import type { DocumentStore } from '@rescind/feed';
import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { KeySource } from '@rescind/token';
import { openKeySource } from '@rescind/token';
import { findJwksUri, MetadataUnusable } from './metadata.ts';
import type { GuardSettings } from './options.ts';

const FIRST_RETRY_MS: DurationMs = 500;
const LONGEST_RETRY_MS: DurationMs = 30_000;

/**
 * The keys of the issuer's access tokens: from `jwksUrl` if it was given; else from where its metadata were last seen
 * to say, or the usual address, at once, while the metadata are asked. When they say something else, that place is
 * taken as soon as there are keys to be had.
 */
export function openTokenKeys(settings: GuardSettings, documents: DocumentStore): KeySource {
  const { issuer, issuerUrl, jwksUrl, fetch, clock, telemetry } = settings;
  const open = (url: string) => openKeySource({ url, documents, fetch, clock, telemetry, name: 'token_keys' });
  if (jwksUrl !== undefined) return open(jwksUrl);

  const documentName = `jwks_uri ${issuer}`;
  const start = readKept(documents, documentName) ?? `${issuerUrl.replace(/\/+$/, '')}/.well-known/jwks.json`;
  const first = open(start);
  const closing = new AbortController();
  let current = first;

  async function follow(): Promise<void> {
    const found = await askUntilAnswered(settings, closing.signal);
    if (found === undefined || found === new URL(start).href) return;
    const next = open(found);
    try {
      await next.ready(closing.signal);
    } catch {
      await next.close();
      return;
    }
    current = next;
    telemetry.log('info', 'keys_moved', { source: 'token_keys', url: found });
    keep(documents, documentName, found, settings);
    await first.close();
  }
  const following = follow();
  const moved = new Promise<void>((resolve) => {
    void following.then(() => {
      if (current !== first) resolve();
    });
  });

  async function close(): Promise<void> {
    closing.abort(new RescindError('stopping'));
    await following;
    await current.close();
  }

  return {
    find: (kid, alg) => current.find(kid, alg),
    kids: () => current.kids(),
    // A first place that closes because the second was taken rejects a little before `moved` is told.
    ready: (signal) =>
      Promise.race([moved, first.ready(signal).catch((error) => (current === first ? Promise.reject(error) : moved))]),
    ensure: (kid) => current.ensure(kid),
    health: () => current.health(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Undefined: there is nothing to be learnt. */
async function askUntilAnswered(settings: GuardSettings, signal: AbortSignal): Promise<string | undefined> {
  const { telemetry } = settings;
  for (let wait = FIRST_RETRY_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
    try {
      return await findJwksUri({ ...settings, signal });
    } catch (error) {
      if (error instanceof MetadataUnusable) {
        telemetry.count('rescind_metadata_refused_total');
        telemetry.log('warn', 'metadata_unusable', { error: error.message });
        return undefined;
      }
    }
    await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined);
  }
  return undefined;
}

function readKept(documents: DocumentStore, name: string): string | undefined {
  const kept = documents.read(name);
  return kept !== undefined && URL.canParse(kept) ? kept : undefined;
}

/** What cannot be kept is asked again after the next start. */
function keep(documents: DocumentStore, name: string, url: string, { telemetry }: GuardSettings): void {
  try {
    documents.write(name, url);
  } catch (error) {
    telemetry.log('error', 'keys_not_kept', {
      source: 'token_keys',
      error: error instanceof Error ? error.message : '',
    });
  }
}
