import { navigate } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';

interface KeyboardProps {
  readonly sections: readonly { readonly page: string; readonly name: string; readonly key: string }[];
}

/** How long `g` waits for the second key, in ms. */
const SECOND_KEY_MS = 1_500;

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** `/` searches, `g` and a letter opens a page, `r` begins the act of what is shown, `?` lists all keys. */
export function Keyboard({ sections }: KeyboardProps) {
  const [isOpen, setOpen] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  useEffect(() => {
    let goAt = Number.NEGATIVE_INFINITY;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      const { key } = event;
      if (performance.now() - goAt < SECOND_KEY_MS) {
        goAt = Number.NEGATIVE_INFINITY;
        const section = sections.find((one) => one.key === key);
        if (section) navigate(`/${section.page}`);
        return;
      }
      if (key === 'g') goAt = performance.now();
      else if (key === '?') setOpen(true);
      else if (key === '/' || key === 'r') {
        event.preventDefault();
        document
          .querySelector<HTMLElement>(key === '/' ? '[data-search]' : '[data-act]')
          ?.[key === '/' ? 'focus' : 'click']();
      }
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [sections]);
  if (!isOpen) return null;
  return (
    <dialog ref={dialog} onClose={() => setOpen(false)} aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        {[
          ['/', 'Search'],
          ['r', 'Revoke what is shown'],
          ['?', 'This list'],
          ...sections.map(({ key, name }) => [`g ${key}`, name] as const),
        ].map(([key, name]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
