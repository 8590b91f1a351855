import { run } from '@rescind/service';
import { web } from './service.ts';

await run(web, process);
