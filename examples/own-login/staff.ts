import type { LoginService } from './login-service.ts';

/** Changes of users by the team's back office: each change and its cut-off are one transaction. */

/** Tokens with the old role are refused everywhere; sessions continue, and tokens of the next refresh have the new role. */
export function changeRole({ issuer, users }: LoginService, id: string, role: string): Promise<void> {
  return issuer.transaction(async (tx) => {
    users.setRole(id, role);
    await tx.subjectChanged({ sub: id, kind: 'soft', reason: 'roles_changed' });
  });
}

/** Ends all sessions, and refuses logins until the suspension ends. */
export function suspend({ issuer, users }: LoginService, id: string): Promise<void> {
  return issuer.transaction(async (tx) => {
    users.suspend(id);
    await tx.subjectChanged({ sub: id, kind: 'hard', reason: 'suspended' });
  });
}
