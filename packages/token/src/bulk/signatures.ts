import { availableParallelism } from 'node:os';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import type { Good, SignatureThread, SignatureToCheck } from './thread.ts';
import { checkHere, openSignatureThread } from './thread.ts';

/** Checks signatures in threads of their own, which are there only while they have something to do. */
export interface Signatures {
  /** Never rejects: what no thread answered is checked here. */
  check(signatures: readonly SignatureToCheck[]): Promise<Good>;
  close(): Promise<void>;
}

/** Idle threads give back their 10 MB each after this time: a catch-up comes in one go. */
const IDLE_MS: DurationMs = 10_000;

/**
 * An event costs this thread about as much as its signature costs another. A second one takes what this thread leaves of its
 * core, and more where there are more cores; of a single core nothing is left.
 */
const MOST_THREADS = Math.min(2, availableParallelism());

export function openSignatures(telemetry: Telemetry): Signatures {
  let threads: SignatureThread[] = [];
  let idle: NodeJS.Timeout | undefined;
  let broken = false;

  const isIdle = () => threads.every((thread) => thread.waiting() === 0);

  /** Where one cannot be had (no memory, no permission), none is tried again. */
  function fail(error: string): void {
    if (broken) return;
    broken = true;
    telemetry.count('rescind_signature_thread_failures_total');
    telemetry.log('warn', 'signature_thread_failed', { error });
    void stop();
  }

  async function stop(): Promise<void> {
    const stopped = threads;
    threads = [];
    clearTimeout(idle);
    await Promise.all(stopped.map((thread) => thread.stop()));
  }

  function onAnswer(): void {
    if (isIdle()) idle = setTimeout(stop, IDLE_MS).unref();
  }

  /** The one with the least to do; another, if each has something. */
  function leastBusy(): SignatureThread {
    const [first, ...others] = threads;
    const least = others.reduce((a, b) => (b.waiting() < (a?.waiting() ?? 0) ? b : a), first);
    if (least !== undefined && (least.waiting() === 0 || threads.length === MOST_THREADS)) return least;
    const started = openSignatureThread({ onAnswer, onFailure: fail });
    threads.push(started);
    return started;
  }

  function threadToAsk(): SignatureThread | undefined {
    if (broken) return undefined;
    try {
      return leastBusy();
    } catch (error) {
      fail(error instanceof Error ? error.message : 'unknown');
      return undefined;
    }
  }

  return {
    async check(signatures) {
      if (signatures.length === 0) return [];
      clearTimeout(idle);
      return threadToAsk()?.ask(signatures) ?? checkHere(signatures);
    },
    close: stop,
  };
}
