/** Hands things from one who may not hurry to one who takes them; then the end, or an error. */
export interface Hand<T> {
  /** Resolves when it has been taken and the next is asked for, or at the end. */
  give(thing: T): Promise<void>;
  take(): Promise<T | undefined>;
  /** Nothing more is wanted or comes; what was offered is dropped. */
  end(): void;
  fail(error: Error): void;
}

export function createHand<T>(): Hand<T> {
  let offered: { readonly thing: T; readonly taken: () => void } | undefined;
  let wanted: { readonly resolve: (thing: T | undefined) => void; readonly reject: (error: Error) => void } | undefined;
  let over = false;
  let failure: Error | undefined;
  const settle = () => {
    if (wanted === undefined) return;
    const { resolve, reject } = wanted;
    if (offered !== undefined) {
      const { thing, taken } = offered;
      offered = undefined;
      taken();
      resolve(thing);
    } else if (failure !== undefined) reject(failure);
    else if (over) resolve(undefined);
    else return;
    wanted = undefined;
  };
  return {
    give: (thing) =>
      new Promise((taken) => {
        if (over) return taken();
        offered = { thing, taken };
        settle();
      }),
    take: () =>
      new Promise((resolve, reject) => {
        wanted = { resolve, reject };
        settle();
      }),
    end() {
      over = true;
      offered?.taken();
      offered = undefined;
      settle();
    },
    fail(error) {
      failure ??= error;
      settle();
    },
  };
}
