import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** Passes `work` on, having logged how it failed. */
export type Said = <T>(failure: string, work: () => Promise<T>) => Promise<T>;

export function sayingFailures(telemetry: Telemetry): Said {
  return async (failure, work) => {
    try {
      return await work();
    } catch (error) {
      // Neither the name, where people type passwords, nor whether there is one.
      telemetry.log('warn', failure, { code: codeOf(error) });
      throw error;
    }
  };
}

export function codeOf(error: unknown): string {
  return error instanceof RescindError ? error.code : 'internal';
}
