import { fileURLToPath } from 'node:url';
import { build } from './build.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const built = await build(root);
console.log(`built ${built.length} packages in build/: npm pack ./build/packages/<name> makes what npm installs`);
