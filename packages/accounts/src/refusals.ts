import type { RefusedUserEvent } from '@rescind/issuer/user-events';
import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import type { AccountContext } from './context.ts';

/** The first of two requests of a login with a second factor gets it: no refusal. */
const NO_REFUSAL: ReadonlySet<ErrorCode> = new Set(['second_factor_required']);

/**
 * Runs `work`, and records a refusal as an event of the user.
 * @param describe returns the other members of the event; called after a refusal alone
 */
export async function recordRefusal<T>(
  { userEvents }: Pick<AccountContext, 'userEvents'>,
  work: () => Promise<T>,
  describe: () => Omit<RefusedUserEvent, 'code' | 'reason'>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RescindError && isCallersError(error) && !NO_REFUSAL.has(error.code)) {
      userEvents.refused({ ...describe(), code: error.code, reason: error.reason });
    }
    throw error;
  }
}
