import type { Output } from './output.ts';
import { createOutput, slice } from './output.ts';

/** How snappy-java, and so Kafka's own client, frames its blocks: this, two version numbers, then lengths and blocks. */
const FRAME = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const FRAME_HEADER_BYTES = 16;

/** Unpacks Snappy: framed as Kafka's own client does it, or one bare block. */
export function unpackSnappy(packed: Buffer): Buffer {
  const output = createOutput();
  if (!packed.subarray(0, FRAME.length).equals(FRAME)) {
    unpackBlock(packed, output);
    return output.toBuffer();
  }
  for (let at = FRAME_HEADER_BYTES; at < packed.length; ) {
    const length = packed.readUInt32BE(at);
    unpackBlock(slice(packed, at + 4, length), output);
    at += 4 + length;
  }
  return output.toBuffer();
}

function unpackBlock(block: Buffer, output: Output): void {
  let at = 0;
  // The unpacked size, a varint, is of no use to us.
  while (block.readUInt8(at++) >= 0x80);
  while (at < block.length) {
    const tag = block.readUInt8(at++);
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      const extra = Math.max(0, short - 59);
      const length = (extra === 0 ? short : block.readUIntLE(at, extra)) + 1;
      at += extra;
      output.append(slice(block, at, length));
      at += length;
    } else if (kind === 1) {
      output.repeat(((tag >> 5) << 8) | block.readUInt8(at), ((tag >> 2) & 7) + 4);
      at += 1;
    } else {
      const width = kind === 2 ? 2 : 4;
      output.repeat(block.readUIntLE(at, width), (tag >> 2) + 1);
      at += width;
    }
  }
}
