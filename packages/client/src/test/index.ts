export type { TestClock } from './clock.ts';
export { createTestClock, settle } from './clock.ts';
export type { FakeIssuer, FakeIssuerOptions, Fault } from './issuer.ts';
export { createFakeIssuer } from './issuer.ts';
