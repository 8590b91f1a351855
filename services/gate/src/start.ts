import { run } from '@rescind/service';
import { gate } from './service.ts';

await run(gate, process);
