import type { EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Algorithm } from '../algorithm.ts';
import type { VerifiedToken, VerifierOptions } from '../verifier.ts';
import { createVerification, verifierShape, verifyBy } from '../verifier.ts';
import { openSignatures } from './signatures.ts';
import type { SignatureToCheck } from './thread.ts';

/** A verifier for thousands at a time: the thread that asks stays free while others compute the signatures. */
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

const bulkVerifierOptions = optionsOf<BulkVerifierOptions>('openBulkVerifier', {
  ...verifierShape,
  telemetry: required(option.telemetry),
});

/**
 * Opens a verifier whose signatures are checked in threads of their own, started when there is something to do and ended 10 s
 * after the last of it. Where none can be had, they are checked here.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function openBulkVerifier(given: BulkVerifierOptions): BulkVerifier {
  const { telemetry, ...options } = bulkVerifierOptions(given);
  const verification = createVerification(options);
  const signatures = openSignatures(telemetry);

  /**
   * By which key it would have to be signed. No more of a text is looked into before its signature was: while thousands
   * wait for theirs, their claims would be so many objects for the garbage collector to copy.
   */
  function begin(text: string): SignatureToCheck | undefined {
    try {
      const { header, signedLength } = verification.parseHeader(text);
      return { text, signedLength, key: verification.findKey(header), alg: header.alg as Algorithm };
    } catch {
      // What is wrong with it is said when its turn comes.
      return undefined;
    }
  }

  function finish(text: string, isGood: boolean, at: EpochMillis): VerifiedToken {
    const parts = verification.parseParts(text);
    if (!isGood) throw new RescindError('token_signature_wrong');
    return verification.finish(parts, at);
  }

  return {
    async verifyAll(texts, at) {
      const begun = texts.map(begin);
      const good = await signatures.check(begun.filter((one) => one !== undefined));
      let next = 0;
      return begun.map((one, index) => {
        const text = texts[index] as string;
        if (one === undefined) return attempt(() => verifyBy(verification, text, at));
        const isGood = good[next] === 1;
        next += 1;
        return attempt(() => finish(text, isGood, at));
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
