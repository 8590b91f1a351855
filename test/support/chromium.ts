import { existsSync } from 'node:fs';

const PATHS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].map(
  (name) => `/usr/bin/${name}`,
);
const MAC = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The Chromium of this machine: the variable CHROMIUM, else one that is installed. undefined: there is none. */
export function findChromium(): string | undefined {
  return [process.env.CHROMIUM ?? '', ...PATHS, ...MAC].find((path) => existsSync(path));
}
