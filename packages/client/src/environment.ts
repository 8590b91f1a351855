/** The clocks and timers of a session. */
export interface Clock {
  /** Wall time in ms since 1970. */
  now(): number;
  /** Ms since an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls back once, after `delayMs`. @returns what `clearTimeout` takes */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Cancels a timer; without effect once it has run. */
  clearTimeout(timer: unknown): void;
}

/** When the application becomes active again. React Native and others bring their own. */
export interface Lifecycle {
  /** Calls `wake` when the page is shown or hidden, thawed, or connected again. @returns a function that stops it */
  onWake(wake: () => void): () => void;
  /** Whether the user is there: otherwise nothing is renewed on time. Default: always. See `@rescind/client/inactivity` */
  isActive?(): boolean;
}

/** Runs `work` while no other tab runs work of that name. May run it without, when the lock is not to be had in time. */
export type Lock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

interface Target {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** What a browser has and this package looks for. Elsewhere, and where a page may not use it, reading it fails. */
interface Globals {
  readonly document?: { readonly baseURI: string };
  readonly addEventListener?: Target['addEventListener'];
  readonly removeEventListener?: Target['removeEventListener'];
  readonly location?: { readonly origin: string };
  readonly navigator: {
    readonly locks: {
      request(name: string, options: { signal: AbortSignal }, work: () => Promise<unknown>): Promise<unknown>;
    };
  };
  readonly BroadcastChannel: new (name: string) => Channel;
  reportError?(error: unknown): void;
}

/** A `BroadcastChannel`; Node.js adds `unref`. */
export interface Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
  unref?(): void;
}

export const ignore = (): void => undefined;

/**
 * Waits for `work`, or for what `arm` sets off.
 * @param arm returns what disarms it
 */
export async function race<T>(
  work: Promise<T>,
  arm: (resolve: (value?: undefined) => void, reject: (error: unknown) => void) => () => void,
): Promise<T | undefined> {
  let disarm = ignore;
  const other = new Promise<undefined>((resolve, reject) => {
    disarm = arm(resolve, reject);
  });
  try {
    return await Promise.race([work, other]);
  } finally {
    disarm();
  }
}

/** @returns what `work` resolves to, or undefined once `ms` have passed */
export const within = <T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> =>
  race(work, (resolve) => {
    const timer = clock.setTimeout(resolve, ms);
    return () => clock.clearTimeout(timer);
  });

export const globals = globalThis as unknown as Globals;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(callback, delayMs) {
    const timer: { unref?(): unknown } = setTimeout(callback, delayMs);
    // No timer keeps a process alive; that of a browser is a number.
    timer.unref?.();
    return timer;
  },
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** Of a page, whose document passes `visibilitychange` on to the window; outside a browser nothing wakes. */
export const pageLifecycle: Lifecycle = {
  onWake: (wake) => listen(globals, ['visibilitychange', 'pageshow', 'online'], wake),
};

export function listen(
  target: Partial<Target> | null | undefined,
  types: readonly string[],
  listener: () => void,
): () => void {
  for (const type of types) target?.addEventListener?.(type, listener);
  return () => types.forEach((type) => void target?.removeEventListener?.(type, listener));
}

/** Less than the grace of an issuer (10 s): a tab that was frozen while it held the lock delays the others, and stops none. */
const LOCK_WAIT_MS = 5_000;

/**
 * Web Locks, as a hint: without them, or when the lock is not granted in time, the work runs nevertheless. The store and the
 * grace of the issuer keep that harmless. A lock is never stolen.
 */
export const webLock: Lock = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
  let granted: Promise<T> | undefined;
  try {
    const options = { signal: AbortSignal.timeout(LOCK_WAIT_MS) };
    await globals.navigator.locks.request(name, options, () => {
      granted = work();
      // The lock is released, whatever comes of the work.
      return granted.catch(ignore);
    });
  } catch {
    // There are no locks, this origin may not use them, or another tab keeps this one.
  }
  return granted ?? work();
};

/** Tells other tabs that something changed: a hint, on which they read the store. */
export function openTabChannel(name: string, received: (hint: unknown) => void): Channel | undefined {
  try {
    const channel = new globals.BroadcastChannel(name);
    channel.onmessage = ({ data }) => received(data);
    channel.unref?.();
    return channel;
  } catch {
    // There is no BroadcastChannel, or this origin may not use it. Tabs then learn of changes when they wake.
    return undefined;
  }
}
