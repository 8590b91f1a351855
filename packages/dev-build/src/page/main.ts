import { fileURLToPath } from 'node:url';
import { buildPages } from './page.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
for (const folder of await buildPages(root)) console.log(`bundled ${folder}/dist/page`);
