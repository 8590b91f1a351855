/** The addresses of the page. The server responds to each with the same document, and the page shows what belongs to it. */
export const PATHS = [
  '/',
  '/fleet',
  '/revocations',
  '/revocations/:id',
  '/people',
  '/people/:id',
  '/sessions',
  '/explain',
  '/keys',
  '/clients',
  '/log',
  '/audit',
] as const;
