import type { RefusedUserEvent } from '@rescind/issuer/user-events';
import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import type { AccountContext } from './context.ts';

/** The response to the first of the two requests of a login with a second factor is no refusal. */
const NO_REFUSAL: ReadonlySet<ErrorCode> = new Set(['second_factor_required']);

type RefusalContext = Pick<AccountContext, 'userEvents' | 'telemetry'>;

/** Records a refusal. It never throws: the response is that of the refusal, also while the database cannot be read. */
export function noteRefusal({ userEvents, telemetry }: RefusalContext, describe: () => RefusedUserEvent): void {
  try {
    userEvents.refused(describe());
  } catch (error) {
    telemetry.log('error', 'user_event_failed', { error: error instanceof Error ? error.message : String(error) });
  }
}

/**
 * Runs `work`, and records a refusal as an event of the user.
 * @param describe returns the other members of the event; called after a refusal alone
 */
export async function recordRefusal<T>(
  context: RefusalContext,
  work: () => Promise<T>,
  describe: () => Omit<RefusedUserEvent, 'code' | 'reason'>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RescindError && isCallersError(error) && !NO_REFUSAL.has(error.code)) {
      noteRefusal(context, () => ({ ...describe(), code: error.code, reason: error.reason }));
    }
    throw error;
  }
}
