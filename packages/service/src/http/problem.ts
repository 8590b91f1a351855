/** Whose errors have OAuth's own shape (RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 7662 section 2.3). */
export function isOauthPath(path: string): boolean {
  return path.toLowerCase().startsWith('/oauth2/');
}
