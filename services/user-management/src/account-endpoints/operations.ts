import type { Operation } from '@rescind/service';
import { ownAccountOperations } from './account.ts';
import { enteringOperations } from './entering.ts';
import { leavingOperations } from './leaving.ts';
import { passwordOperations } from './password.ts';
import type { EndpointRoom } from './room.ts';
import { secondFactorOperations } from './second-factor.ts';
import { ownSessionOperations } from './sessions.ts';

/** What persons do. */
export function personOperations(room: EndpointRoom): Operation[] {
  return [
    ...enteringOperations(room),
    ...leavingOperations(room),
    ...ownSessionOperations(room),
    ...passwordOperations(room),
    ...secondFactorOperations(room),
    ...ownAccountOperations(room),
  ];
}
