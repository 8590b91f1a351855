const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/CrOS/, 'ChromeOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux'],
];

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\/|FxiOS/, 'Firefox'],
  [/Chrome\/|CriOS/, 'Chrome'],
  [/Safari\//, 'Safari'],
];

const find = (table: typeof SYSTEMS, text: string) => table.find(([pattern]) => pattern.test(text))?.[1];

/** `Chrome on Linux`, or as much of it as the user agent contains. */
export function deviceNameOf(userAgent: string): string {
  const [browser, system] = [find(BROWSERS, userAgent), find(SYSTEMS, userAgent)];
  return [browser ?? 'Application', system].filter(Boolean).join(' on ');
}

export const isPhone = (userAgent: string): boolean => /iPhone|Android|Mobile|\bphone\b/i.test(userAgent);

const STORED = 'rescind device';

/** A random name of this browser: failed logins elsewhere do not lock it out. */
export function deviceId(): string {
  try {
    const stored = localStorage.getItem(STORED);
    if (stored !== null) return stored;
    const created = crypto.randomUUID();
    localStorage.setItem(STORED, created);
    return created;
  } catch {
    // This page may not store anything.
    return crypto.randomUUID();
  }
}
