import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';

/** RFC 6238 section 5.2, and the defaults of every authenticator application: 30 s, 6 digits, SHA-1. */
const STEP_MS = 30_000;
const DIGITS = 6;
const ALGORITHM = 'sha1';
/** RFC 4226 section 4, R6: 128 bits at least, 160 recommended. */
const SECRET_BYTES = 20;
/** Steps before and after the present one that are accepted: a clock half a minute off, or a slow user (RFC 6238 section 5.2). */
const DRIFT_STEPS = 1;

export function createTotpSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** The code of one step of time (RFC 4226 section 5.3). */
export function totpCode(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac(ALGORITHM, secret).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

/**
 * The step of time whose code this is, if it is of now and later than `lastStep`: a code is valid once (RFC 6238
 * section 5.2), and so is every earlier one.
 */
export function findTotpStep(secret: Buffer, code: string, now: EpochMillis, lastStep: number): number | undefined {
  const present = Math.floor(now / STEP_MS);
  let found: number | undefined;
  // Every candidate is compared, so that the time is the same for all.
  for (let step = present - DRIFT_STEPS; step <= present + DRIFT_STEPS; step++) {
    if (isEqual(totpCode(secret, step), code) && step > lastStep) found = step;
  }
  return found;
}

/** Whether this is a code that the account can no longer use: that of the last used step, or of an accepted step that is not later. */
export function isUsedTotp(secret: Buffer, code: string, now: EpochMillis, lastStep: number): boolean {
  const present = Math.floor(now / STEP_MS);
  let isUsed = false;
  for (const step of [lastStep, present - DRIFT_STEPS, present, present + DRIFT_STEPS]) {
    if (isEqual(totpCode(secret, step), code) && step <= lastStep) isUsed = true;
  }
  return isUsed;
}

/** What an authenticator application reads from a QR code ("Key URI Format": a colon parts issuer and account). */
export function totpUri(secret: Buffer, issuerName: string, account: string): string {
  const issuer = issuerName.replaceAll(':', ' ');
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  const parameters = new URLSearchParams({
    secret: base32(secret),
    issuer,
    algorithm: ALGORITHM.toUpperCase(),
    digits: String(DIGITS),
    period: String(STEP_MS / 1000),
  });
  // Applications show a `+` as a plus, not as a space.
  return `otpauth://totp/${label}?${parameters.toString().replaceAll('+', '%20')}`;
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 section 6, without padding. */
export function base32(bytes: Buffer): string {
  let text = '';
  let [bits, value] = [0, 0];
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
    }
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The number of codes: they fit on a note. */
const RECOVERY_CODES = 10;
/** 80 bits: beyond guessing, hashed or not. */
const RECOVERY_CODE_BYTES = 10;

/** Such as `ABCD-EFGH-IJKL-MNOP`; each is valid once. */
export function createRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const groups = base32(randomBytes(RECOVERY_CODE_BYTES)).match(/.{4}/g) ?? [];
    return groups.join('-');
  });
}

/** As people type it: case, spaces and hyphens do not matter. */
export function hashRecoveryCode(code: string): Buffer {
  return createHash('sha256').update(code.replaceAll(/[\s-]/g, '').toUpperCase()).digest();
}
