export interface TextCache<T> {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
}

export interface TextCacheLimits {
  /** When there are this many, all are dropped and it begins anew: cheaper than an order, and a flood gains nothing. */
  readonly entries: number;
  /** Longer keys are not taken. */
  readonly longestKey: number;
}

/** What was worked out of a text before, for a few short texts. */
export function createTextCache<T>({ entries, longestKey }: TextCacheLimits): TextCache<T> {
  const known = new Map<string, T>();
  return {
    get: (key) => known.get(key),
    set(key, value) {
      if (key.length > longestKey) return;
      if (known.size >= entries) known.clear();
      known.set(key, value);
    },
  };
}
