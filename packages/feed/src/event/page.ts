import type { KeyObject } from 'node:crypto';
import { createHash } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { createVerifier } from '@rescind/token';
import type { SignedPage } from '../ports.ts';
import type { EventDecoderOptions } from './decode.ts';
import { NO_TIME } from './decode.ts';
import { peekKid } from './peek.ts';

/** The type of a page's signature. No event has it, and no page has that of an event (RFC 8725 section 3.11). */
const PAGE_TYPE = 'secevent-page+jwt';

/** The claim with the digest of the events: SHA-256 of their compact serializations joined by line feeds, in base64url. */
const DIGEST_CLAIM = 'events_sha256';

/** So many signatures are kept, 3 MB: those of the last 400 000 events that were sent as pages. */
const MAX_KEPT = 4_096;

/** The options of `createPageSigner`. */
export interface PageSignerOptions {
  /** The `iss` of the events. */
  readonly log: string;
  /** The id of the key that signs. */
  readonly kid: string;
  /** Signs a payload unchanged: `(payload, typ) => createSigner(key, { typ })(payload)`, with `createSigner` of @rescind/token. */
  readonly sign: (payload: object, typ: string) => string;
}

const pageSignerOptions = optionsOf<PageSignerOptions>('createPageSigner', {
  log: required(option.text('the iss of the events')),
  kid: required(option.text('the id of the key')),
  sign: required(option.callable<PageSignerOptions['sign']>('a function that signs a payload')),
});

/**
 * Creates a signer of pages. A page has the same signature each time, so that readers at the same position share one. The signer returns
 * undefined if another key has signed an event of the page.
 * @throws TypeError for an option that is missing, unknown or wrong
 */
export function createPageSigner(options: PageSignerOptions): (events: readonly string[]) => string | undefined {
  const { log, kid, sign } = pageSignerOptions(options);
  const kept = new Map<string, string>();
  return (events) => {
    const [first = ''] = events;
    const header = first.slice(0, first.indexOf('.') + 1);
    if (peekKid(first) !== kid || !events.every((event) => event.startsWith(header))) return undefined;
    const digest = digestOf(events);
    const known = kept.get(digest);
    if (known !== undefined) return known;
    const signature = sign({ iss: log, [DIGEST_CLAIM]: digest }, PAGE_TYPE);
    if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? '');
    kept.set(digest, signature);
    return signature;
  };
}

function digestOf(events: readonly string[]): string {
  return createHash('sha256').update(events.join('\n')).digest('base64url');
}

/**
 * Finds the key that has signed a page: its events that name the same key need no signatures of their own.
 * @throws RescindError as `Verifier.verify` does; `token_claim_wrong` for a digest of other events
 */
export type PageVerifier = (page: SignedPage) => KeyObject;

/** @throws TypeError for an option that is missing or out of its range */
export function createPageVerifier({ log, keys }: Pick<EventDecoderOptions, 'log' | 'keys'>): PageVerifier {
  const verifier = createVerifier({
    ...{ keys, issuer: log, audience: null, typ: [PAGE_TYPE] },
    ...{ expires: 'absent', issuedAt: 'optional', requiredClaims: [DIGEST_CLAIM] },
  });
  return ({ signature, events }) => {
    const { header, payload } = verifier.verify(signature, NO_TIME);
    if (payload[DIGEST_CLAIM] !== digestOf(events)) {
      throw new RescindError('token_claim_wrong', { detail: `${DIGEST_CLAIM} is that of other events` });
    }
    const key = header.kid === undefined ? undefined : keys.find(header.kid, header.alg);
    if (key === undefined) throw new RescindError('token_key_unknown');
    return key;
  };
}
