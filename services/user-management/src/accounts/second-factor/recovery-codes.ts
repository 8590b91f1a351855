import { createHash, randomBytes } from 'node:crypto';
import { base32 } from './totp.ts';

/** As many as fit on a note that one keeps. */
const CODES = 10;
/** 80 bits: beyond guessing, hashed or not. */
const CODE_BYTES = 10;

/** Such as `ABCD-EFGH-IJKL-MNOP`; each is good once. */
export function createRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () => {
    const groups = base32(randomBytes(CODE_BYTES)).match(/.{4}/g) ?? [];
    return groups.join('-');
  });
}

/** As people type it: case, spaces and hyphens do not matter. */
export function hashRecoveryCode(code: string): Buffer {
  return createHash('sha256').update(code.replaceAll(/[\s-]/g, '').toUpperCase()).digest();
}
