import { useWorkWith } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { sentenceOf } from './account.ts';

/** The user closed a dialog: there is nothing to report. */
export class Cancelled extends Error {}

/** Work that a user starts: whether it runs, and the sentence of its failure. */
export const useWork = () => useWorkWith((error) => (error instanceof Cancelled ? undefined : sentenceOf(error)));

/** The time in ms, again each second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
