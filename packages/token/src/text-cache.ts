export interface TextCache<T> {
  /** Of the first so many characters of a text. The one that was found last is found without cutting it out. */
  getStart(text: string, length: number): T | undefined;
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
  let last: { readonly key: string; readonly value: T } | undefined;
  return {
    getStart(text, length) {
      if (last !== undefined && last.key.length === length && text.startsWith(last.key)) return last.value;
      const key = text.slice(0, length);
      const value = known.get(key);
      if (value !== undefined) last = { key, value };
      return value;
    },
    set(key, value) {
      if (key.length > longestKey) return;
      if (known.size >= entries) known.clear();
      known.set(key, value);
    },
  };
}
