import { run } from '@rescind/service';
import { operatorConsole } from './service.ts';

await run(operatorConsole, process);
