import '../errors.ts';

export type { FeedStore } from '../ports.ts';
export type { InstanceOptions } from '../reports/reporter.ts';
export { instanceOptions } from '../reports/reporter.ts';
export { feedOptions } from '../transport.ts';
export type { FollowerKeys } from './connections.ts';
export type { View } from './core.ts';
export type { Follower, FollowerOptions } from './open.ts';
export { openFollower } from './open.ts';
