import type { Operation } from '@rescind/service/http';
import { requires } from '../scopes.ts';
import { ownAccountOperations } from './account.ts';
import { enteringOperations } from './entering.ts';
import { leavingOperations } from './leaving.ts';
import { passwordOperations } from './password.ts';
import type { EndpointRoom } from './room.ts';
import { secondFactorOperations } from './second-factor.ts';
import { ownSessionOperations } from './sessions.ts';

/** What persons do. Whatever takes an access token requires the scope of accounts. */
export function personOperations(room: EndpointRoom): Operation[] {
  const operations = [
    ...enteringOperations(room),
    ...leavingOperations(room),
    ...ownSessionOperations(room),
    ...passwordOperations(room),
    ...secondFactorOperations(room),
    ...ownAccountOperations(room),
  ];
  return operations.map((each) => (each.security === 'bearer' ? { ...each, scopes: requires('account') } : each));
}
