import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** The code with which something is refused; `accepted` if it is not. Any other error than a RescindError fails the test. */
export function refusal(attempt: () => unknown): ErrorCode | 'accepted' {
  try {
    attempt();
    return 'accepted';
  } catch (error) {
    if (error instanceof RescindError) return error.code;
    throw error;
  }
}
