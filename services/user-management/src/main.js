import { runMain } from '@rescind/revocation/node-version';

await runMain(() => import('./start.ts'), '24.7');
