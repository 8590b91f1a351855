import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import { unpackLz4 } from './lz4.ts';
import { MAX_UNPACKED_BYTES } from './output.ts';
import { unpackSnappy } from './snappy.ts';

/**
 * kafkajs knows gzip only, and a single batch packed otherwise ends its consumer for good. So that a topic with another
 * `compression.type` is slower and not mute, its readers are taught to unpack the others; nobody packs with them here.
 */
interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(packed: Buffer): Promise<Buffer>;
}

const { GZIP, LZ4, Snappy, ZSTD } = kafkajs.CompressionTypes;

let registered = false;

/** Once for all clients of this process. A codec that the process has given kafkajs itself is left as it is. */
export function registerCodecs(): void {
  if (registered) return;
  registered = true;
  limitGzip();
  register(LZ4, async (packed) => unpackLz4(packed));
  register(Snappy, async (packed) => unpackSnappy(packed));
  // Node has it from 22.15 on.
  if (typeof zlib.zstdDecompress !== 'function') return;
  const unpackZstd = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);
  register(ZSTD, (packed) => unpackZstd(packed, { maxOutputLength: MAX_UNPACKED_BYTES }));
}

function register(type: number, decompress: (packed: Buffer) => Promise<Buffer>): void {
  const codecs: Record<number, () => Codec> = kafkajs.CompressionCodecs;
  if (isKnown(codecs[type])) return;
  const codec: Codec = {
    decompress,
    compress: async () => {
      throw new TypeError('@rescind/feed-kafka unpacks this codec, and packs with gzip only');
    },
  };
  codecs[type] = () => codec;
}

/** kafkajs has an entry for each codec; those it does not know throw. */
function isKnown(codec: (() => Codec) | undefined): boolean {
  try {
    return codec?.() !== undefined;
  } catch {
    return false;
  }
}

/** kafkajs unpacks gzip itself, to any size. */
function limitGzip(): void {
  const codecs: Record<number, () => Codec> = kafkajs.CompressionCodecs;
  const own = codecs[GZIP]?.();
  if (own === undefined) return;
  const unzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.unzip);
  const limited: Codec = {
    compress: (encoder) => own.compress(encoder),
    decompress: (packed) => unzip(packed, { maxOutputLength: MAX_UNPACKED_BYTES }),
  };
  codecs[GZIP] = () => limited;
}
