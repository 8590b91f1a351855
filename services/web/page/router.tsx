import { navigate as navigateTo, Link as PageLink, useAddress } from '@rescind/dev-page';
import type { ComponentChildren } from 'preact';
import type { Path } from '../src/paths.ts';
import { isPath } from '../src/paths.ts';

const currentPath = (): Path => (isPath(location.pathname) ? location.pathname : '/');

/** The query stays: it has the mode. */
const addressOf = (path: Path): string => path + location.search;

/** Shows another path of the page, without loading it. */
export const navigate = (path: Path): void => navigateTo(addressOf(path));

/** The present path, again whenever it changes. */
export const usePath = (): Path => useAddress(currentPath);

interface LinkProps {
  readonly to: Path;
  readonly isCurrent?: boolean;
  readonly children: ComponentChildren;
}

export const Link = ({ to, ...props }: LinkProps) => <PageLink to={addressOf(to)} {...props} />;
