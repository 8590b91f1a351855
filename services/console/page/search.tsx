import { Notice, navigate } from '@rescind/dev-page';
import { useState } from 'preact/hooks';
import { call } from './api.ts';
import { may, useLive } from './live.ts';
import { useWork } from './parts.tsx';

/** One box for a name, `sub`, `sid`, `txn` or `kid`: it opens the page of what it finds. A token belongs on the page Explain. */
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

/** A compact JWS (RFC 7515 section 3.1). */
const TOKEN = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

/** Ids have at least this many characters; shorter text is a name. */
const MIN_ID_LENGTH = 16;

/** @returns the address of the page of what has this id, or of the users whose names begin so. @throws Error for a token, or without a text */
async function find(text: string): Promise<string> {
  if (text === '') throw new Error('Enter a name or an id.');
  if (TOKEN.test(text))
    throw new Error('This is a token: paste it on the page Explain, which never puts it into an address.');
  const id = encodeURIComponent(text);
  const exists = (permission: string, path: string) =>
    may(permission)
      ? call(path).then(
          () => true,
          () => false,
        )
      : Promise.resolve(false);
  if (text.length >= MIN_ID_LENGTH) {
    if (await exists('getRevocation', `/admin/revocations/${id}`)) return `/revocations/${id}`;
    if (await exists('getSession', `/admin/sessions/${id}`)) return `/sessions?sid=${id}`;
    if (await exists('getUser', `/admin/users/${id}`)) return `/people/${id}`;
  }
  return `/people?prefix=${id}`;
}
