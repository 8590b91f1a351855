/** The path of the issuer's address without a slash at its end; undefined when it has none. */
export function issuerPath(issuer: string): string | undefined {
  return new URL(issuer).pathname.replace(/\/+$/, '') || undefined;
}
