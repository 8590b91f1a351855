import { RescindError } from '@rescind/revocation';

/** Whether writes are taken. Once a database is known to be restored, only `restore` opens it again. */
export interface WriteGate {
  /** Why writes are refused, or null. */
  refusing(): string | null;
  refuse(reason: string): void;
  /** @throws RescindError `database_restored` */
  requireOpen(): void;
}

export function createWriteGate(): WriteGate {
  let refusal: string | null = null;
  return {
    refusing: () => refusal,
    refuse(reason) {
      refusal ??= reason;
    },
    requireOpen() {
      if (refusal !== null) throw new RescindError('database_restored', { detail: refusal });
    },
  };
}
