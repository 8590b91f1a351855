import { run } from '@rescind/service';
import { game } from './service.ts';

await run(game, process);
