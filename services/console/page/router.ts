import { replaceAddress, useAddress as useAddressOf } from '@rescind/dev-page';

/** An address of the page. */
interface PageAddress {
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

/** The present address, again whenever it changes. */
export const useAddress = (): PageAddress => useAddressOf(currentAddress);

/** Sets parameters of the address, so that a link to it shows the same. An empty value removes its parameter. */
export function setQuery(values: Readonly<Record<string, string>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  replaceAddress(location.pathname + (text === '' ? '' : `?${text}`));
}
