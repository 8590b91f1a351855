import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly type?: 'text' | 'password';
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly autoComplete?: string;
  readonly inputMode?: 'numeric' | 'text';
  /** Shown below the input, and its accessible description. */
  readonly hint?: string | undefined;
  readonly isFocused?: boolean;
  /** Default true. */
  readonly isRequired?: boolean;
}

/** An input with its label. */
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

/** A screen reader reads it aloud when it appears. */
export function Notice({ kind, children }: NoticeProps) {
  return (
    <div class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

interface CardProps {
  readonly title: string;
  readonly about?: ComponentChildren;
  /** Shown beside the title. */
  readonly actions?: ComponentChildren;
  readonly class?: string;
  readonly children?: ComponentChildren;
}

/** A part of a page, with its title. */
export function Card({ title, about, actions, children, class: className = '' }: CardProps) {
  const id = useId();
  return (
    <section class={`card ${className}`} aria-labelledby={id}>
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

interface Work {
  readonly isRunning: boolean;
  /** The sentence of the last failure. */
  readonly failure: string | undefined;
  /** @returns whether the work succeeded */
  run(work: () => Promise<unknown>): Promise<boolean>;
  /** Forgets the failure. */
  clear(): void;
}

/**
 * The state of work that a user starts.
 * @param sentenceOf what the user reads about an error; undefined: nothing
 */
export function useWorkWith(sentenceOf: (error: unknown) => string | undefined): Work {
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
        setFailure(sentenceOf(error));
        return false;
      } finally {
        setRunning(false);
      }
    },
  };
}
