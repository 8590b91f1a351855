/** The addresses of the page. The server responds to each with the same document, and the page shows what belongs to it. */
export const PATHS = ['/', '/login', '/register', '/devices', '/security', '/game'] as const;

export type Path = (typeof PATHS)[number];

export const isPath = (path: string): path is Path => PATHS.some((known) => known === path);
