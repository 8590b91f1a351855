import type { Output } from './output.ts';
import { createOutput, slice } from './output.ts';

const MAGIC = 0x184d2204;
const STORED = 0x80000000;
const SHORTEST_MATCH = 4;

/** Unpacks an LZ4 frame, as Kafka's clients write it (LZ4 frame format 1.6). Checksums are not looked at. */
export function unpackLz4(packed: Buffer): Buffer {
  if (packed.readUInt32LE(0) !== MAGIC) throw new RangeError('this is not an LZ4 frame');
  const flags = packed.readUInt8(4);
  const hasBlockChecksum = (flags & 0x10) !== 0;
  const hasContentSize = (flags & 0x08) !== 0;
  const hasDictionary = (flags & 0x01) !== 0;
  if (hasDictionary) throw new RangeError('LZ4 with a dictionary is not known here');
  let at = 7 + (hasContentSize ? 8 : 0);
  const output = createOutput();
  for (let size = packed.readUInt32LE(at); size !== 0; size = packed.readUInt32LE(at)) {
    const isStored = size >= STORED;
    const length = isStored ? size - STORED : size;
    const block = slice(packed, at + 4, length);
    if (isStored) output.append(block);
    else unpackBlock(block, output);
    at += 4 + length + (hasBlockChecksum ? 4 : 0);
  }
  return output.toBuffer();
}

function unpackBlock(block: Buffer, output: Output): void {
  let at = 0;
  /** A length of 15 goes on in the bytes that follow, until one is not 255. */
  const extend = (length: number) => {
    if (length !== 15) return length;
    let sum = length;
    for (let byte = 255; byte === 255; sum += byte) byte = block.readUInt8(at++);
    return sum;
  };
  while (at < block.length) {
    const token = block.readUInt8(at++);
    const literals = extend(token >> 4);
    output.append(slice(block, at, literals));
    at += literals;
    // The last sequence of a block is literals only.
    if (at === block.length) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    output.repeat(distance, extend(token & 15) + SHORTEST_MATCH);
  }
}
