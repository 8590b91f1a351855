import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Algorithm } from './jwk.ts';
import type { SignatureResults, SignatureThread, SignatureToCheck, ThreadSetup } from './thread.ts';
import { checkHere, openSignatureThread } from './thread.ts';
import type { VerifiedToken, VerifierOptions } from './verifier.ts';
import { createVerification, isSameKey, verifierShape, verifyWith } from './verifier.ts';

/** A verifier for thousands of tokens at a time. Other threads parse them and compute the signatures. */
export interface BulkVerifier extends AsyncDisposable {
  /**
   * Verifies each of the texts as `Verifier.verify` does.
   *
   * @param signedBy at the index of a text the key that has signed it in another way, which the caller has verified, such as by a digest
   *   of many texts: its own signature is not computed if its header names the same key. Default: none has
   * @returns in order, the verified token, what the reader made of it, or the reason of its refusal
   * @throws TypeError when `at` is not a finite number; nothing else is thrown
   */
  verifyAll(
    texts: readonly string[],
    at: EpochMillis,
    signedBy?: readonly (KeyObject | undefined)[],
  ): Promise<(VerifiedToken | TokenReading | RescindError)[]>;
  /** Ends the threads; the calling thread finishes what is pending. Idempotent. */
  close(): Promise<void>;
}

/** A verified token as the reader's module has read it in another thread. */
export interface TokenReading {
  /** What the module returned, after JSON. */
  readonly reading: unknown;
}

interface BulkVerifierOptions extends VerifierOptions {
  /**
   * A module that the threads import, by its URL. Its `createReader(settings)` returns a function from a verified token to a value
   * that JSON can represent; undefined: this token is parsed in the calling thread. Default: each token is.
   */
  readonly reader?: { readonly module: string; readonly settings: object } | undefined;
  /** Counts and logs threads that cannot be started (`rescind_signature_thread_failures_total`). */
  readonly telemetry: Telemetry;
}

const bulkVerifierOptions = optionsOf<BulkVerifierOptions>('openBulkVerifier', {
  ...verifierShape,
  reader: optionsOf<NonNullable<BulkVerifierOptions['reader']>>('reader', {
    module: required(option.text('the URL of a module')),
    settings: required(option.having<object>('the settings of the module')),
  }),
  telemetry: required(option.telemetry),
});

/**
 * Opens a verifier that computes signatures in threads of its own. Threads start with the first token and end 10 s after the last
 * one. Where none can be started, the calling thread computes the signatures.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function openBulkVerifier(given: BulkVerifierOptions): BulkVerifier {
  const { telemetry, reader, ...options } = bulkVerifierOptions(given);
  const verification = createVerification(options);
  const { keys: _, ...verifier } = options;
  const threads = openSignatureThreads({ verifier, reader }, telemetry);

  /** Parses the header and finds the key; undefined: `verifyWith` refuses the text. */
  function begin(text: string, signedBy: KeyObject | undefined): SignatureToCheck | undefined {
    try {
      const { header, signedLength } = verification.parseHeader(text);
      const key = verification.findKey(header);
      const isKnown = signedBy !== undefined && isSameKey(key, signedBy);
      return { text, signedLength, key, alg: header.alg as Algorithm, isKnown };
    } catch {
      return undefined;
    }
  }

  function finish(text: string, isSigned: boolean, at: EpochMillis): VerifiedToken {
    const parts = verification.parseParts(text);
    if (!isSigned) throw new RescindError('token_signature_wrong');
    return verification.finish(parts, at);
  }

  return {
    async verifyAll(texts, at, signedBy = []) {
      const begun = texts.map((text, index) => begin(text, signedBy[index]));
      const { valid, readings } = await threads.check(
        begun.filter((signature) => signature !== undefined),
        at,
      );
      let next = -1;
      return begun.map((signature, index) => {
        const text = texts[index] as string;
        if (signature === undefined) return attempt(() => verifyWith(verification, text, at));
        next += 1;
        const isSigned = valid[next] === 1;
        const reading = readings[next] ?? null;
        if (isSigned && reading !== null) return { reading };
        return attempt(() => finish(text, isSigned, at));
      });
    },
    close: threads.close,
    [Symbol.asyncDispose]: threads.close,
  };
}

function attempt<T>(work: () => T): T | RescindError {
  try {
    return work();
  } catch (error) {
    if (error instanceof RescindError) return error;
    throw error;
  }
}

/** The threads of a bulk verifier. They exist only while they have signatures to verify. */
interface SignatureThreads {
  /** Never rejects: the calling thread verifies what no thread has answered. */
  check(signatures: readonly SignatureToCheck[], at: EpochMillis): Promise<SignatureResults>;
  close(): Promise<void>;
}

/** An idle thread, of 10 MB, ends after this time. A catch-up comes without such pauses. */
const IDLE_MS: DurationMs = 10_000;

/**
 * The calling thread takes as long for the rest of an event as a thread takes for its signature. A second thread uses what the calling
 * thread leaves of its core, and other cores if there are any; a single core has nothing left.
 */
const MAX_THREADS = Math.min(2, availableParallelism());

function openSignatureThreads(setup: ThreadSetup, telemetry: Telemetry): SignatureThreads {
  let threads: SignatureThread[] = [];
  let idleTimer: NodeJS.Timeout | undefined;
  let hasFailed = false;

  const isIdle = () => threads.every((thread) => thread.pending() === 0);

  /** After a failure (no memory, no permission) no thread is started again. */
  function failed(error: string): void {
    if (hasFailed) return;
    hasFailed = true;
    telemetry.count('rescind_signature_thread_failures_total');
    telemetry.log('warn', 'signature_thread_failed', { error });
    void stop();
  }

  async function stop(): Promise<void> {
    const stopped = threads;
    threads = [];
    clearTimeout(idleTimer);
    await Promise.all(stopped.map((thread) => thread.stop()));
  }

  function answered(): void {
    if (isIdle()) idleTimer = setTimeout(stop, IDLE_MS).unref();
  }

  /** The thread with the fewest pending checks; a new one while each has some. */
  function leastBusy(): SignatureThread {
    const [first, ...others] = threads;
    const least = others.reduce((a, b) => (b.pending() < (a?.pending() ?? 0) ? b : a), first);
    if (least !== undefined && (least.pending() === 0 || threads.length === MAX_THREADS)) return least;
    const started = openSignatureThread(setup, { answered, failed });
    threads.push(started);
    return started;
  }

  function availableThread(): SignatureThread | undefined {
    if (hasFailed) return undefined;
    try {
      return leastBusy();
    } catch (error) {
      failed(error instanceof Error ? error.message : 'unknown');
      return undefined;
    }
  }

  return {
    async check(signatures, at) {
      if (signatures.length === 0) return checkHere([]);
      clearTimeout(idleTimer);
      return availableThread()?.check(signatures, at) ?? checkHere(signatures);
    },
    close: stop,
  };
}
