/** How a text lies in the file. Two texts that differ never lie there alike. */
export type StoredText = string | Buffer;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_BYTES = 16;

/** A UUID in its canonical spelling takes 16 bytes instead of 36; any other spelling of it stays the text it is. */
export function storeText(text: string): StoredText {
  if (text.length === 36 && UUID.test(text)) return Buffer.from(text.replaceAll('-', ''), 'hex');
  // UTF-8 has no lone surrogates: all of them would become one replacement character, and different texts one key.
  return text.isWellFormed() ? text : Buffer.concat([Buffer.of(0), Buffer.from(text, 'utf16le')]);
}

export function restoreText(stored: StoredText): string {
  if (typeof stored === 'string') return stored;
  if (stored.length !== UUID_BYTES) return stored.toString('utf16le', 1);
  const hex = stored.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
