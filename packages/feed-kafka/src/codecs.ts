import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import kafkajs from 'kafkajs';

/**
 * A codec of kafkajs, which has gzip only: one batch with another codec ends its consumer for good. These codecs decompress LZ4,
 * Snappy and Zstandard, so that a topic with another `compression.type` can be read. They do not compress.
 */
interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(compressed: Buffer): Promise<Buffer>;
}

const { GZIP, LZ4, Snappy, ZSTD } = kafkajs.CompressionTypes;

let registered = false;

/** Registers the codecs, once for all clients of this process. It does not replace a codec that the process registered itself. */
export function registerCodecs(): void {
  if (registered) return;
  registered = true;
  limitGzip();
  register(LZ4, async (compressed) => decompressLz4(compressed));
  register(Snappy, async (compressed) => decompressSnappy(compressed));
  // Node has it since 22.15.
  if (typeof zlib.zstdDecompress !== 'function') return;
  const decompressZstd = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);
  register(ZSTD, (compressed) => decompressZstd(compressed, { maxOutputLength: MAX_DECOMPRESSED_BYTES }));
}

function register(type: number, decompress: (compressed: Buffer) => Promise<Buffer>): void {
  const codecs: Record<number, () => Codec> = kafkajs.CompressionCodecs;
  if (isKnown(codecs[type])) return;
  const codec: Codec = {
    decompress,
    compress: async () => {
      throw new TypeError('@rescind/feed-kafka decompresses this codec, and compresses with gzip only');
    },
  };
  codecs[type] = () => codec;
}

/** kafkajs has an entry for each codec; the unsupported ones throw. */
function isKnown(codec: (() => Codec) | undefined): boolean {
  try {
    return codec?.() !== undefined;
  } catch {
    return false;
  }
}

/** Limits the size to which kafkajs decompresses gzip; kafkajs has no limit. */
function limitGzip(): void {
  const codecs: Record<number, () => Codec> = kafkajs.CompressionCodecs;
  const own = codecs[GZIP]?.();
  if (own === undefined) return;
  const unzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.unzip);
  const limited: Codec = {
    compress: (encoder) => own.compress(encoder),
    decompress: (compressed) => unzip(compressed, { maxOutputLength: MAX_DECOMPRESSED_BYTES }),
  };
  codecs[GZIP] = () => limited;
}

const MAGIC = 0x184d2204;
const STORED = 0x80000000;
const MIN_MATCH_LENGTH = 4;

/** Decompresses an LZ4 frame, as Kafka's clients write it (LZ4 frame format 1.6). It does not verify checksums. */
function decompressLz4(compressed: Buffer): Buffer {
  if (compressed.readUInt32LE(0) !== MAGIC) throw new RangeError('this is not an LZ4 frame');
  const flags = compressed.readUInt8(4);
  const hasBlockChecksum = (flags & 0x10) !== 0;
  const hasContentSize = (flags & 0x08) !== 0;
  const hasDictionary = (flags & 0x01) !== 0;
  if (hasDictionary) throw new RangeError('LZ4 with a dictionary is not supported');
  let at = 7 + (hasContentSize ? 8 : 0);
  const output = createOutput();
  for (let size = compressed.readUInt32LE(at); size !== 0; size = compressed.readUInt32LE(at)) {
    const isStored = size >= STORED;
    const length = isStored ? size - STORED : size;
    const block = slice(compressed, at + 4, length);
    if (isStored) output.append(block);
    else decompressLz4Block(block, output);
    at += 4 + length + (hasBlockChecksum ? 4 : 0);
  }
  return output.toBuffer();
}

function decompressLz4Block(block: Buffer, output: Output): void {
  let at = 0;
  /** A length of 15 is continued by the next bytes, up to the first that is not 255. */
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
    // The last sequence of a block has literals only.
    if (at === block.length) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    output.repeat(distance, extend(token & 15) + MIN_MATCH_LENGTH);
  }
}

/** The frame of snappy-java, which Kafka's own client writes: this magic, two version numbers, then lengths and blocks. */
const FRAME = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const FRAME_HEADER_BYTES = 16;

/** Decompresses Snappy: framed by snappy-java, or one bare block. */
function decompressSnappy(compressed: Buffer): Buffer {
  const output = createOutput();
  if (!compressed.subarray(0, FRAME.length).equals(FRAME)) {
    decompressSnappyBlock(compressed, output);
    return output.toBuffer();
  }
  for (let at = FRAME_HEADER_BYTES; at < compressed.length; ) {
    const length = compressed.readUInt32BE(at);
    decompressSnappyBlock(slice(compressed, at + 4, length), output);
    at += 4 + length;
  }
  return output.toBuffer();
}

function decompressSnappyBlock(block: Buffer, output: Output): void {
  let at = 0;
  // Skips the decompressed size, a varint.
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

/**
 * Greatest size of a decompressed batch, in bytes. Brokers accept a batch of 1 MiB by default; one that decompresses to more than
 * this is an attack on memory.
 */
const MAX_DECOMPRESSED_BYTES = 67_108_864;

/** A growing buffer of decompressed bytes, up to the limit. */
interface Output {
  append(bytes: Buffer): void;
  /** Appends a copy of the bytes written `distance` bytes ago; it may overlap itself. @throws RangeError beyond the beginning */
  repeat(distance: number, length: number): void;
  toBuffer(): Buffer;
}

function createOutput(): Output {
  let buffer = Buffer.allocUnsafe(65_536);
  let used = 0;
  const reserve = (length: number) => {
    const needed = used + length;
    if (needed > MAX_DECOMPRESSED_BYTES)
      throw new RangeError(`a batch decompresses to more than ${MAX_DECOMPRESSED_BYTES} bytes`);
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
      if (distance < 1 || distance > used) throw new RangeError('a compressed batch refers to before its beginning');
      reserve(length);
      // Byte by byte: with a distance shorter than the length this copy reads bytes that it has written.
      for (let from = used - distance, left = length; left > 0; left -= 1) {
        buffer[used++] = buffer[from++] as number;
      }
    },
    toBuffer: () => buffer.subarray(0, used),
  };
}

/** A part of a compressed batch. @throws RangeError when the batch is shorter */
function slice(compressed: Buffer, at: number, length: number): Buffer {
  if (length < 0 || at + length > compressed.length) throw new RangeError('a compressed batch is truncated');
  return compressed.subarray(at, at + length);
}
