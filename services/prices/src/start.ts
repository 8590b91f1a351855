import { run } from '@rescind/service';
import { prices } from './service.ts';

await run(prices, process);
