// Loaded into a service with NODE_OPTIONS=--import: its wall clock is ahead of the machine's by the milliseconds that
// the file WALL_CLOCK_OFFSET_FILE contains, as if it had been set. The monotonic clock is unchanged.
import { readFileSync } from 'node:fs';

const file = process.env.WALL_CLOCK_OFFSET_FILE;
const machine = Date.now;
const offset = () => {
  try {
    return Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    return 0;
  }
};
delete process.env.WALL_CLOCK_OFFSET_FILE;
Date.now = () => machine() + offset();
