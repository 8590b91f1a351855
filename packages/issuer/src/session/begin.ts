import type { BeginSession, TokenAnswer } from '../issuer-sessions.ts';
import type { RevocationRoom } from '../revoke/revoke.ts';
import { endSession } from '../revoke/revoke.ts';
import type { Unit } from '../transactions.ts';
import { beginSession } from './login.ts';

/** A login, and the end of the session that it takes the place of (OWASP ASVS 5.0 section 7.2.4). */
export async function beginLogin(room: RevocationRoom, unit: Unit, login: BeginSession): Promise<TokenAnswer> {
  const answer = await beginSession(room, unit, login);
  const { replacesSid: sid, sub } = login;
  if (sid !== undefined) await endSession(room, unit, { sid, sub, reason: 'replaced' });
  return answer;
}
