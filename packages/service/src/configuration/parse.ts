/** What a parser gives: the value, or nothing when the text is not one. */
export type Parsed<T> = { readonly value: T } | undefined;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `10s`, `15m`, `1h`, `30d`, in milliseconds. Never a bare number: nobody can tell its unit. */
export function parseDuration(text: string): Parsed<number> {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? { value } : undefined;
}

export function parseWholeNumber(text: string): Parsed<number> {
  return /^\d{1,15}$/.test(text) ? { value: Number(text) } : undefined;
}

/** An absolute http(s) address with nothing secret in it; the text itself, since issuers are compared as text. */
export function parseUrl(text: string): Parsed<string> {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = url.username === '' && url.password === '' && !text.includes('?') && !text.includes('#');
  return plain && (url.protocol === 'https:' || url.protocol === 'http:') ? { value: text } : undefined;
}

/** Comma-separated, white space around the elements dropped; no empty and no repeated one. */
export function parseList(text: string): Parsed<string[]> {
  const value = text.split(',').map((element) => element.trim());
  return value.includes('') || new Set(value).size !== value.length ? undefined : { value };
}

export function parseFlag(text: string): Parsed<boolean> {
  if (text === 'true') return { value: true };
  return text === 'false' ? { value: false } : undefined;
}

/** One line of text without control characters. */
export function parseText(text: string): Parsed<string> {
  return /\p{Cc}/u.test(text) ? undefined : { value: text };
}

export function parsePem(text: string): Parsed<string> {
  return /^-----BEGIN [A-Z0-9 ]+-----\n[\s\S]+\n-----END [A-Z0-9 ]+-----\n*$/.test(text) ? { value: text } : undefined;
}
