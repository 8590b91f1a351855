/**
 * Greatest size of what one batch unpacks to. Brokers take a batch of 1 MiB unless set otherwise; a batch that unpacks
 * to more than this is made to exhaust memory.
 */
export const MAX_UNPACKED_BYTES = 67_108_864;

/** What is being unpacked: grows as needed, up to a limit. Copies of its own tail may overlap, as LZ4 and Snappy want. */
export interface Output {
  append(bytes: Buffer): void;
  /** Repeats what was written `distance` bytes ago. @throws RangeError beyond the beginning */
  repeat(distance: number, length: number): void;
  toBuffer(): Buffer;
}

export function createOutput(): Output {
  let buffer = Buffer.allocUnsafe(65_536);
  let used = 0;
  const reserve = (length: number) => {
    const needed = used + length;
    if (needed > MAX_UNPACKED_BYTES) throw new RangeError(`a batch unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    if (needed <= buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, buffer.length * 2));
    buffer.copy(grown, 0, 0, used);
    buffer = grown;
  };
  return {
    append(bytes) {
      reserve(bytes.length);
      bytes.copy(buffer, used);
      used += bytes.length;
    },
    repeat(distance, length) {
      if (distance < 1 || distance > used) throw new RangeError('a packed batch refers to before its beginning');
      reserve(length);
      // Byte by byte: a distance shorter than the length repeats what this very copy writes.
      for (let from = used - distance, left = length; left > 0; left -= 1) {
        buffer[used++] = buffer[from++] as number;
      }
    },
    toBuffer: () => buffer.subarray(0, used),
  };
}

/** Some bytes of a packed batch. @throws RangeError when it is shorter */
export function slice(packed: Buffer, at: number, length: number): Buffer {
  if (length < 0 || at + length > packed.length) throw new RangeError('a packed batch is cut short');
  return packed.subarray(at, at + length);
}
