import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Path } from '../src/paths.ts';
import { isPath } from '../src/paths.ts';

const CHANGED = 'rescind:navigated';

const currentPath = (): Path => (isPath(location.pathname) ? location.pathname : '/');

/** Shows another address of the page, without loading it. The query stays: it has the mode. */
export function navigate(path: Path): void {
  if (path === currentPath()) return;
  history.pushState(null, '', path + location.search);
  dispatchEvent(new Event(CHANGED));
}

export function usePath(): Path {
  const [path, setPath] = useState(currentPath);
  useEffect(() => {
    const read = () => setPath(currentPath());
    for (const type of ['popstate', CHANGED]) addEventListener(type, read);
    return () => {
      for (const type of ['popstate', CHANGED]) removeEventListener(type, read);
    };
  }, []);
  return path;
}

interface LinkProps {
  readonly to: Path;
  readonly class?: string;
  readonly isCurrent?: boolean;
  readonly children: ComponentChildren;
}

/** A link within the page. With a modifier key the browser opens it as it does any other. */
export function Link({ to, isCurrent, children, class: className }: LinkProps) {
  return (
    <a
      href={to + location.search}
      class={className}
      aria-current={isCurrent ? 'page' : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}
