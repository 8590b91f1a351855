import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { sentenceOf } from './account.ts';

interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly type?: 'text' | 'password';
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly autoComplete?: string;
  readonly inputMode?: 'numeric' | 'text';
  readonly hint?: string;
  readonly isFocused?: boolean;
  readonly isRequired?: boolean;
}

export function Field({ label, hint, type, value, onValue, isFocused, isRequired = true, ...input }: FieldProps) {
  const kind = type === 'password' ? ({ type } as const) : ({ type: 'text' } as const);
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (isFocused) field.current?.focus();
  }, [isFocused]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={field}
        {...kind}
        {...input}
        value={value}
        required={isRequired}
        spellcheck={false}
        autocapitalize="none"
        aria-describedby={hint ? `${id}-hint` : undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface NoticeProps {
  readonly kind: 'error' | 'info' | 'success';
  readonly children: ComponentChildren;
}

/** Read aloud when it appears. */
export function Notice({ kind, children }: NoticeProps) {
  return (
    <div class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

interface CardProps {
  readonly title: string;
  readonly about?: string;
  readonly actions?: ComponentChildren;
  readonly children?: ComponentChildren;
}

export function Card({ title, about, actions, children }: CardProps) {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <div>
          <h2 id={id}>{title}</h2>
          {about && <p class="about">{about}</p>}
        </div>
        {actions}
      </header>
      {children}
    </section>
  );
}

/** Work that a user starts: whether it runs, and the sentence of its failure. */
export function useWork(): {
  readonly isRunning: boolean;
  readonly failure: string | undefined;
  run(work: () => Promise<unknown>): Promise<boolean>;
  clear(): void;
} {
  const [isRunning, setRunning] = useState(false);
  const [failure, setFailure] = useState<string>();
  return {
    isRunning,
    failure,
    clear: () => setFailure(undefined),
    async run(work) {
      setRunning(true);
      setFailure(undefined);
      try {
        await work();
        return true;
      } catch (error) {
        if (!(error instanceof Cancelled)) setFailure(sentenceOf(error));
        return false;
      } finally {
        setRunning(false);
      }
    },
  };
}

/** The user closed a dialog: there is nothing to report. */
export class Cancelled extends Error {}

/** The time in ms, again each second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
