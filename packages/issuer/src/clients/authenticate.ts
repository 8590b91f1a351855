import { createHash, timingSafeEqual } from 'node:crypto';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import type { VerifiedToken } from '@rescind/token';
import { createKeySet, createVerifier, parseCompactJws } from '@rescind/token';
import { clientProof } from '../call-options.ts';
import type { ClientProof, RegisteredClient } from '../issuer-clients.ts';
import type { ClientReads } from '../store/store.ts';
import type { Transactions } from '../transactions.ts';
import type { ClientRegistry } from './registry.ts';
import { hashSecret } from './registry.ts';
import { ALGORITHMS, MAX_SECRETS } from './requirements.ts';

interface Authentication {
  readonly issuer: string;
  readonly registry: ClientRegistry;
  readonly clients: ClientReads;
  readonly transactions: Pick<Transactions, 'run'>;
  readonly now: () => EpochMillis;
}

/** An assertion is made for one request: what lives longer is worth stealing. */
const MAX_ASSERTION_MS: DurationMs = 5 * 60_000;
const MAX_JTI_LENGTH = 256;
/** Clients write one, the other, or none (draft-ietf-oauth-rfc7523bis section 4 names the last). */
const ASSERTION_TYPES = ['JWT', 'client-authentication+jwt'];
const SECRET_METHODS: ReadonlySet<string> = new Set(['client_secret_basic', 'client_secret_post']);
/** Compared with where there is no secret, so that the answer takes as long. */
const DUMMY_HASH = hashSecret('');

/** Returns a function that finds the client by its credentials. */
export function createAuthenticate(context: Authentication): (proof: ClientProof) => Promise<RegisteredClient> {
  return async (presented) => {
    const proof = clientProof(presented);
    const client = await (isAssertion(proof) ? byAssertion(context, proof) : bySecret(context, proof));
    if (client === undefined || client.disabled) throw new RescindError('client_invalid');
    return client;
  };
}

type AssertionProof = Extract<ClientProof, { method: 'private_key_jwt' }>;

function isAssertion(proof: ClientProof): proof is AssertionProof {
  return proof.method === 'private_key_jwt';
}

/** Compares with as many hashes as a client may have, for every client and for unknown ones. */
async function bySecret({ registry, clients }: Authentication, proof: Exclude<ClientProof, AssertionProof>) {
  const client = await registry.find(clients, proof.clientId);
  const presented = Buffer.from(hashSecret(proof.method === 'none' ? '' : proof.secret));
  let matches = 0;
  for (let at = 0; at < MAX_SECRETS; at += 1) {
    const held = client?.secretHashes[at];
    const isSame = timingSafeEqual(presented, Buffer.from(held ?? DUMMY_HASH));
    matches += Number(isSame && held !== undefined);
  }
  if (client?.authMethod !== proof.method) return undefined;
  return !SECRET_METHODS.has(proof.method) || matches > 0 ? client : undefined;
}

/** RFC 7523 section 3. */
async function byAssertion(context: Authentication, proof: AssertionProof): Promise<RegisteredClient | undefined> {
  const clientId = claimedIssuer(proof.assertion);
  if (clientId === undefined || (proof.clientId !== undefined && proof.clientId !== clientId)) return undefined;
  const client = await context.registry.find(context.clients, clientId);
  if (client?.authMethod !== 'private_key_jwt' || client.disabled) return undefined;
  const at = context.now();
  const verified = verify(context, client, proof, at);
  return verified !== undefined && (await takeOnce(context, verified, clientId, at)) ? client : undefined;
}

/** The `iss`, to find the client's keys; no other claim is used before the signature is verified. */
function claimedIssuer(assertion: string): string | undefined {
  try {
    const { iss } = parseCompactJws(assertion).payload;
    return typeof iss === 'string' ? iss : undefined;
  } catch (error) {
    return refused(error);
  }
}

function verify(
  { issuer }: Authentication,
  { clientId, jwks }: RegisteredClient,
  { assertion }: AssertionProof,
  at: EpochMillis,
): VerifiedToken | undefined {
  const verifier = createVerifier({
    keys: createKeySet(jwks),
    issuer: clientId,
    audience: issuer,
    typ: ASSERTION_TYPES,
    typMayBeAbsent: true,
    algorithms: ALGORITHMS,
    // RFC 7523 section 3: it may be there.
    issuedAt: 'optional',
    requiredClaims: ['sub', 'jti'],
  });
  try {
    const token = verifier.verify(assertion, at);
    const { sub, exp, aud } = token.payload;
    // draft-ietf-oauth-rfc7523bis section 4: the issuer alone, so that no other server can use it here.
    if ([aud].flat().length !== 1) return undefined;
    const isShort = Number(exp) * 1000 - at <= MAX_ASSERTION_MS + CLOCK_TOLERANCE_MS;
    return sub === clientId && isShort ? token : undefined;
  } catch (error) {
    return refused(error);
  }
}

/** Stores the digest of the assertion before it is accepted, so a replay is detected after a restart, too. */
async function takeOnce(
  { transactions }: Authentication,
  { payload }: VerifiedToken,
  clientId: string,
  at: EpochMillis,
): Promise<boolean> {
  const { jti, exp } = payload;
  if (typeof jti !== 'string' || jti.length > MAX_JTI_LENGTH) return false;
  const digest = createHash('sha256').update(jti).digest();
  const expiresAt = Math.max(Number(exp) * 1000, at);
  return transactions.run((tx) => tx.store.clients.takeAssertion(clientId, digest, expiresAt));
}

function refused(error: unknown): undefined {
  if (isCallersError(error)) return undefined;
  throw error;
}
