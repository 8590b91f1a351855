import { Notice, navigate } from '@rescind/dev-page';
import { useState } from 'preact/hooks';
import type { Page } from './api.ts';
import { call, Refusal } from './api.ts';
import { may, useLive } from './live.ts';
import { useWork } from './parts.tsx';

/** One box for a name, `sub`, `sid`, `txn`, `jti`, `kid` or client: it opens the page of what it finds. A token belongs on the page Explain. */
export function SearchBox() {
  const [text, setText] = useState('');
  const work = useWork();
  useLive();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work.run(async () => {
      const address = await find(text.trim());
      navigate(address);
      setText('');
    });
  };
  return (
    <search class="search">
      <form onSubmit={submit}>
        <input
          data-search=""
          type="search"
          aria-label="Search a person, session, revocation or key"
          placeholder="Search   /"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            work.clear();
          }}
        />
        {work.failure && <Notice kind="error">{work.failure}</Notice>}
      </form>
    </search>
  );
}

/** The members that are read of an explanation. */
interface Explained {
  readonly entries: readonly { readonly claim: string; readonly txn: string }[];
}

/** A compact JWS (RFC 7515 section 3.1). */
const TOKEN = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

/** Ids have at least this many characters; shorter text is a name. */
const MIN_ID_LENGTH = 16;

/**
 * @returns the address of the page of what has this id, or of the users whose names begin so
 * @throws Error for a token, and without a text; Refusal when something could not be asked
 */
async function find(text: string): Promise<string> {
  if (text === '') throw new Error('Enter a name or an id.');
  if (TOKEN.test(text))
    throw new Error('This is a token: paste it on the page Explain, which never puts it into an address.');
  const id = encodeURIComponent(text);
  const found = <T,>(permission: string, path: string, body?: object): Promise<T | undefined> =>
    may(permission)
      ? call<T>(path, body && { body }).catch((error) => {
          if (error instanceof Refusal && (error.status === 404 || error.status === 400)) return undefined;
          throw error;
        })
      : Promise.resolve(undefined);
  if (text.length >= MIN_ID_LENGTH) {
    if (await found('getRevocation', `/admin/revocations/${id}`)) return `/revocations/${id}`;
    if (await found('getSession', `/admin/sessions/${id}`)) return `/sessions?sid=${id}`;
    if (await found('getUser', `/admin/users/${id}`)) return `/people/${id}`;
    const keys = await found<Page<{ readonly kid: string }>>('listKeys', '/admin/keys');
    if (keys?.items.some(({ kid }) => kid === text)) return `/keys?kid=${id}`;
    // A token is known by its `jti` only where it is revoked.
    const explained = await found<Explained>('explain', '/admin/explain', { claims: { jti: text } });
    const entry = explained?.entries.find(({ claim }) => claim === 'jti');
    if (entry) return `/revocations/${encodeURIComponent(entry.txn)}`;
  }
  const people = await found<Page<object>>('listUsers', `/admin/users?prefix=${id}&limit=1`);
  if (people?.items.length === 0) {
    const clients = await found<Page<{ readonly clientId: string }>>('listClients', '/admin/clients');
    if (clients?.items.some(({ clientId }) => clientId === text)) return `/clients?client=${id}`;
  }
  return `/people?prefix=${id}`;
}
