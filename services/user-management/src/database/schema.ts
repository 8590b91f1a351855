import type { HostMigration } from '@rescind/issuer-sqlite';
import { accounts } from './migrations/accounts.ts';
import { administration } from './migrations/administration.ts';
import { first } from './migrations/first.ts';
import { names } from './migrations/names.ts';
import { recovery } from './migrations/recovery.ts';
import { registrations } from './migrations/registrations.ts';

/** Each entry takes the tables of ours from one version (`user_version` of the file) to the next; never changed once released. */
export const SCHEMA: readonly HostMigration[] = [first, accounts, administration, recovery, names, registrations];
