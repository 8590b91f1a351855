import { useEffect, useState } from 'preact/hooks';
import { useLive } from './live.ts';
import { sentenceOfReceipt } from './receipt-text.ts';

/** How long a sentence stays unchanged before it is read aloud, in ms. */
const PAUSE_MS = 5_000;

/** The live region of the page: once nothing has changed for `PAUSE_MS`, a sentence about the newest revocation. */
export function Announcer() {
  const { revocations, receipts } = useLive();
  const [text, setText] = useState('');
  const [newest] = revocations;
  const receipt = newest && receipts.get(newest.txn);
  const sentence = receipt ? sentenceOfReceipt(receipt) : '';
  useEffect(() => {
    if (sentence === '') return;
    const timer = setTimeout(() => setText(sentence), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [sentence]);
  return (
    <p class="aloud" role="status">
      {text}
    </p>
  );
}
