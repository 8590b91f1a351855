import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Bundles a module for a page. @param source its text; paths in it are relative to the root of the workspace */
export async function bundleForPage(source: string): Promise<string> {
  const bundled = await rolldown({
    input: 'entry',
    cwd: ROOT,
    platform: 'browser',
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'entry' ? `${ROOT}entry.ts` : undefined),
        load: (id) => (id === `${ROOT}entry.ts` ? source : undefined),
      },
    ],
    transform: {
      define: {
        'process.env.NODE_ENV': '"production"',
        __VUE_OPTIONS_API__: 'true',
        __VUE_PROD_DEVTOOLS__: 'false',
        __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
      },
    },
    logLevel: 'silent',
  });
  try {
    const { output } = await bundled.generate({ format: 'iife', codeSplitting: false });
    return output[0].code;
  } finally {
    await bundled.close();
  }
}
