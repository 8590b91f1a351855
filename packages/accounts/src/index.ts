import './errors.ts';

export type { AccountView } from './account.ts';
export { changedClaims, hasInvisible } from './account.ts';
export type { AccountChange } from './administration.ts';
export { findTotpStep, totpCode, totpUri } from './codes.ts';
export { createAccountRows } from './context.ts';
export type { FactorProof } from './credentials.ts';
export type { Accounts, AccountsOptions } from './open.ts';
export { openAccounts } from './open.ts';
export { createPasswords, createSemaphore } from './passwords.ts';
export { coarseAddress } from './rows/devices.ts';
export { lowerAccountTimes } from './schema.ts';
export { createSealer } from './sealer.ts';
export { parseWebhookSecret, retryDelay, webhookHeaders } from './webhook-sender.ts';
