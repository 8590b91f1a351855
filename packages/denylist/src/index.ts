import './errors.ts';

export type { Denylist } from './denylist.ts';
export type { DenylistOptions } from './open.ts';
export { openDenylist } from './open.ts';
