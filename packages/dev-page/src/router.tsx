import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

/** The event of an address that the page changed; `popstate` is that of the browser. */
const CHANGED = 'rescind:navigated';

/** Shows another address of the page at its top, without loading it. @param to path and query */
export function navigate(to: string): void {
  if (to === location.pathname + location.search) return;
  history.pushState(null, '', to);
  dispatchEvent(new Event(CHANGED));
  scrollTo(0, 0);
}

/** Changes the present address, in the history too. @param to path and query */
export function replaceAddress(to: string): void {
  history.replaceState(null, '', to);
  dispatchEvent(new Event(CHANGED));
}

/** What a page reads from its address, again whenever the address changes. @param read reads `location` */
export function useAddress<T>(read: () => T): T {
  const [address, setAddress] = useState(read);
  // Not after the first drawing: an address that a page changes at once would be missed.
  useLayoutEffect(() => {
    const update = () => setAddress(read);
    for (const type of ['popstate', CHANGED]) addEventListener(type, update);
    return () => {
      for (const type of ['popstate', CHANGED]) removeEventListener(type, update);
    };
  }, []);
  return address;
}

interface LinkProps {
  /** Path and query. */
  readonly to: string;
  readonly class?: string | undefined;
  readonly isCurrent?: boolean | undefined;
  readonly title?: string | undefined;
  readonly children: ComponentChildren;
}

/** A link within the page. With a modifier key the browser opens it as it does any other. */
export function Link({ to, isCurrent, children, class: className, title }: LinkProps) {
  return (
    <a
      href={to}
      class={className}
      title={title}
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
