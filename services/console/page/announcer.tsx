import { useEffect, useRef, useState } from 'preact/hooks';
import { useLive } from './live.ts';
import { sentenceOfReceipt } from './receipt-text.ts';
import { countText } from './text.ts';

/** The shortest time between two sentences, in ms: what happens meanwhile is counted in the next one. */
const PAUSE_MS = 5_000;

/** The live region of the page: `PAUSE_MS` after a change a sentence about the newest revocation, and how many others there were. */
export function Announcer() {
  const { revocations, receipts } = useLive();
  const [text, setText] = useState('');
  const [newest] = revocations;
  const receipt = newest && receipts.get(newest.txn);
  const sentence = receipt ? sentenceOfReceipt(receipt) : '';
  const latest = useRef({ sentence, revocations });
  latest.current = { sentence, revocations };
  const announced = useRef<{ readonly sentence: string; readonly txn: string | undefined }>({
    sentence: '',
    txn: undefined,
  });
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (timer.current !== undefined || sentence === announced.current.sentence) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      const { sentence: now, revocations: all } = latest.current;
      const since = all.findIndex(({ txn }) => txn === announced.current.txn);
      const others = announced.current.txn === undefined ? 0 : (since < 0 ? all.length : since) - 1;
      announced.current = { sentence: now, txn: all[0]?.txn };
      setText(others > 0 ? `${countText(others + 1, 'revocation')}; the newest: ${now}` : now);
    }, PAUSE_MS);
  }, [sentence]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <p class="aloud" role="status">
      {text}
    </p>
  );
}
