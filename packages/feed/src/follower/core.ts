import type { FollowerCore, FollowerCoreOptions } from './core/types.ts';

export type {
  FollowerCore,
  FollowerCoreOptions,
  FollowerEffect,
  FollowerInput,
  FollowerState,
  FollowerStep,
  Instant,
  QuarantinedAgain,
  View,
  WayId,
  WayName,
} from './core/types.ts';

export function createFollowerCore(_options: FollowerCoreOptions): FollowerCore {
  throw new Error('being written');
}
