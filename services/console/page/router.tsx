import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** The event of a changed address, beside `popstate` of the browser. */
const CHANGED = 'rescind:navigated';

/** An address of the page. */
export interface PageAddress {
  /** The first segment; empty: the first page. */
  readonly page: string;
  /** The second segment; empty: the whole list. */
  readonly id: string;
  readonly query: URLSearchParams;
}

function currentAddress(): PageAddress {
  const [page = '', id = ''] = location.pathname.slice(1).split('/');
  return { page, id: decodeURIComponent(id), query: new URLSearchParams(location.search) };
}

/** Shows another address without loading the page. */
export function navigate(to: string): void {
  if (to === location.pathname + location.search) return;
  history.pushState(null, '', to);
  dispatchEvent(new Event(CHANGED));
  scrollTo(0, 0);
}

/** Sets parameters of the address, so that a link to it shows the same. An empty value removes its parameter. */
export function setQuery(values: Readonly<Record<string, string>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, '', location.pathname + (text === '' ? '' : `?${text}`));
  dispatchEvent(new Event(CHANGED));
}

/** The present address, again whenever it changes. */
export function useAddress(): PageAddress {
  const [address, setAddress] = useState(currentAddress);
  useEffect(() => {
    const read = () => setAddress(currentAddress());
    for (const type of ['popstate', CHANGED]) addEventListener(type, read);
    return () => {
      for (const type of ['popstate', CHANGED]) removeEventListener(type, read);
    };
  }, []);
  return address;
}

interface LinkProps {
  readonly to: string;
  readonly class?: string;
  readonly isCurrent?: boolean;
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
