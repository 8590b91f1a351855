import { run } from '@rescind/service';
import { userManagement } from './service.ts';

await run(userManagement, process);
