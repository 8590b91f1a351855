const HIDDEN = '[secret]';
/** Shorter texts would be struck out of every second word, and are no secret. */
const LEAST_SECRET = 4;
const GREATEST_LENGTH = 500;

/** Takes secrets, in their usual spellings too, out of a text that somebody else has written; and cuts it short. */
export function createScrub(secrets: readonly string[]): (text: string) => string {
  const spellings = secrets.flatMap((secret) => {
    const base64 = Buffer.from(secret).toString('base64');
    return [secret, base64, base64.replace(/=+$/, ''), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
  });
  const known = [...new Set(spellings)].filter((text) => text.length >= LEAST_SECRET);
  return (text) => {
    const scrubbed = known.reduce((left, secret) => left.replaceAll(secret, HIDDEN), text);
    return scrubbed.slice(0, GREATEST_LENGTH);
  };
}
