export type { TestRevocation } from './issuer.ts';
export type { TestKit, TestKitOptions } from './kit.ts';
export { openTestKit } from './kit.ts';
