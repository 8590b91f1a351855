import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import { RescindError } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { mayMount, smallDisk } from '../../support/small-disk.ts';

describe.skipIf(!mayMount)('a denylist on a file system that is read-only at start', () => {
  test.each(['with a file', 'without a file'])('is not opened read-only: %s', (state) => {
    const disk = smallDisk('4m');
    const path = join(disk.path, 'denylist.sqlite');
    if (state === 'with a file') openDenylist({ path }).close();
    disk.remount('ro');
    let thrown: unknown;
    try {
      openDenylist({ path }).close();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(RescindError);
    expect((thrown as RescindError).code).toMatch(/^denylist_un(writable|readable)$/);
    expect((thrown as RescindError).message).toContain(path);
    disk.remount('rw');
    const denylist = openDenylist({ path });
    denylist.write('document', 'text');
    expect(denylist.read('document')).toBe('text');
    denylist.close();
  });
});
