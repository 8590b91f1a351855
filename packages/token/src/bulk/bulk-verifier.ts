import type { EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Algorithm } from '../algorithm.ts';
import type { GatedParts } from '../gate.ts';
import type { VerifiedToken, VerifierOptions } from '../verifier.ts';
import { createVerification } from '../verifier.ts';
import type { SignatureToCheck } from './signatures.ts';
import { openSignatures } from './signatures.ts';

/** A verifier for thousands at a time: the thread that asks stays free while another computes the signatures. */
export interface BulkVerifier extends AsyncDisposable {
  /**
   * Verifies each of these as `Verifier.verify` does.
   *
   * @returns in order, the verified token or why it is none
   * @throws TypeError when `at` is not a finite number; nothing else is thrown
   */
  verifyAll(texts: readonly string[], at: EpochMillis): Promise<(VerifiedToken | RescindError)[]>;
  /** What is under way is finished at once. Idempotent. */
  close(): Promise<void>;
}

export interface BulkVerifierOptions extends VerifierOptions {
  /** Where a thread that could not be had is told: counter `rescind_signature_thread_failures_total`. */
  readonly telemetry: Telemetry;
}

/** One whose key is known. */
interface Begun extends SignatureToCheck {
  readonly parts: GatedParts;
}

/**
 * Opens a verifier whose signatures are checked in a thread of its own, started when there is something to do and ended 10 s
 * after the last of it. Where no thread can be had, they are checked here.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function openBulkVerifier({ telemetry, ...options }: BulkVerifierOptions): BulkVerifier {
  const verification = createVerification(options);
  const signatures = openSignatures(telemetry);

  /** Everything that comes before the signature: from here on it is known by which key it would have to be. */
  function begin(text: string): Begun {
    const parts = verification.takeApart(text);
    return { parts, key: verification.findKey(parts.header), alg: parts.header.alg as Algorithm };
  }

  function finish(parts: GatedParts, isGood: boolean, at: EpochMillis): VerifiedToken {
    if (!isGood) throw new RescindError('token_signature_wrong');
    return verification.finish(parts, at);
  }

  return {
    async verifyAll(texts, at) {
      const begun = texts.map((text) => attempt(() => begin(text)));
      const toCheck = begun.filter((one): one is Begun => !(one instanceof RescindError));
      const good = await signatures.check(toCheck);
      let next = 0;
      return begun.map((one) => {
        if (one instanceof RescindError) return one;
        const isGood = good[next] === 1;
        next += 1;
        return attempt(() => finish(one.parts, isGood, at));
      });
    },
    close: signatures.close,
    [Symbol.asyncDispose]: signatures.close,
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
