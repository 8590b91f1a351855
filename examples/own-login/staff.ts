import type { LoginService } from './login-service.ts';

/** What the team's back office does to a user: the change and what it cuts off are one transaction. */

/** Tokens with the old role die everywhere; nobody is logged out, and the next refresh carries the new one. */
export function changeRole({ issuer, users }: LoginService, id: string, role: string): Promise<void> {
  return issuer.transaction(async (tx) => {
    users.setRole(id, role);
    await tx.subjectChanged({ sub: id, kind: 'soft', reason: 'roles_changed' });
  });
}

/** Logged out everywhere, and no way in until it is undone. */
export function suspend({ issuer, users }: LoginService, id: string): Promise<void> {
  return issuer.transaction(async (tx) => {
    users.suspend(id);
    await tx.subjectChanged({ sub: id, kind: 'hard', reason: 'suspended' });
  });
}
