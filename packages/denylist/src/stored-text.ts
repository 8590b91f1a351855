/** A text in the form that it has in the file. Different texts have different forms. */
export type StoredText = string | Buffer;

/** 128 bits as base64url, as this project's issuer names sessions, tokens and revocations; its last digit holds 2 of them. */
const BASE64URL_128 = /^[\w-]{21}[AQgw]$/;
/** 256 bits as base64url: a hash. Its last digit holds 4 of them. */
const BASE64URL_256 = /^[\w-]{42}[AEIMQUYcgkosw048]$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** First bytes that mark a kind. Such values have odd lengths, so none is read as bare bits. */
const UTF16 = 0;
const UUID_BITS = 1;

/**
 * Ids take the bytes they stand for: bare for base64url of 16 and of 32 bytes, with a byte before them for a UUID. Only the
 * canonical spelling does; any other spelling of the same bits stays the text it is.
 */
export function storeText(text: string): StoredText {
  const { length } = text;
  if (length === 22 && BASE64URL_128.test(text)) return Buffer.from(text, 'base64url');
  if (length === 36 && UUID.test(text)) return Buffer.from(`01${text.replaceAll('-', '')}`, 'hex');
  if (length === 43 && BASE64URL_256.test(text)) return Buffer.from(text, 'base64url');
  // UTF-8 has no lone surrogates: all of them would become one replacement character, and different texts one key.
  return text.isWellFormed() ? text : Buffer.concat([Buffer.of(UTF16), Buffer.from(text, 'utf16le')]);
}

export function restoreText(stored: StoredText): string {
  if (typeof stored === 'string') return stored;
  if (stored.length === 16 || stored.length === 32) return stored.toString('base64url');
  return stored[0] === UUID_BITS ? uuid(stored.subarray(1)) : stored.toString('utf16le', 1);
}

/** The same for what versions 1 and 2 of the file wrote: a UUID was its bare 16 bytes, base64url was text. */
export function restoreFirstText(stored: StoredText): string {
  if (typeof stored === 'string') return stored;
  return stored.length === 16 ? uuid(stored) : stored.toString('utf16le', 1);
}

function uuid(bits: Buffer): string {
  const hex = bits.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
