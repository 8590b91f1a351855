import { TOTP, URI } from 'otpauth';

const STEP_MS = 30_000;

/** A user's authenticator application, another library that has read the QR code. */
export interface Authenticator {
  /** A code that was not returned before. Two are available without waiting: the present one and the next one. */
  code(): string;
  /** The last code again. */
  sameCode(): string;
}

export function createAuthenticator(uri: string): Authenticator {
  const totp = URI.parse(uri);
  if (!(totp instanceof TOTP)) throw new Error('the address is not one of time-based codes');
  let last = 0;
  const at = (step: number) => totp.generate({ timestamp: step * STEP_MS });
  return {
    code() {
      const present = Math.floor(Date.now() / STEP_MS);
      last = Math.max(last + 1, present);
      if (last > present + 1) throw new Error('a third code within a minute is not taken: use a recovery code');
      return at(last);
    },
    sameCode: () => at(last),
  };
}
