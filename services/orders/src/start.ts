import { run } from '@rescind/service';
import { orders } from './service.ts';

await run(orders, process);
