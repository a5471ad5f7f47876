/** MurmurHash3 by Austin Appleby, with seed 0: the 32-bit one, and the first half of the 128-bit one. */

const MASK = (1n << 64n) - 1n;
const FIRST = 0x87c37b91114253d5n;
const SECOND = 0x4cf5ad432745937fn;

/** Return MurmurHash3_x86_32 of the first `size` bytes, unsigned. */
export function murmur32(data: Uint8Array, size: number): number {
  let state = 0;
  const tail = size & ~3;
  for (let at = 0; at < tail; at += 4) {
    state ^= mixed(
      byte(data, at) | (byte(data, at + 1) << 8) | (byte(data, at + 2) << 16) | (byte(data, at + 3) << 24),
    );
    state = (Math.imul((state << 13) | (state >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let at = size - 1; at >= tail; at--) rest = (rest << 8) | byte(data, at);
  state ^= mixed(rest) ^ size;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

function byte(data: Uint8Array, at: number): number {
  return data[at] as number;
}

function mixed(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** Return the first 64 bits (h1) of MurmurHash3_x64_128, unsigned. */
export function murmur64(data: Uint8Array): bigint {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let [one, other] = [0n, 0n];
  const whole = data.length - (data.length % 16);
  for (let at = 0; at < whole; at += 16) {
    one ^= turned(view.getBigUint64(at, true), FIRST, 31n, SECOND);
    one = ((rotated(one, 27n) + other) * 5n + 0x52dce729n) & MASK;
    other ^= turned(view.getBigUint64(at + 8, true), SECOND, 33n, FIRST);
    other = ((rotated(other, 31n) + one) * 5n + 0x38495ab5n) & MASK;
  }
  const rest = new DataView(new ArrayBuffer(16));
  data.subarray(whole).forEach((value, at) => rest.setUint8(at, value));
  other ^= turned(rest.getBigUint64(8, true), SECOND, 33n, FIRST) ^ BigInt(data.length);
  one ^= turned(rest.getBigUint64(0, true), FIRST, 31n, SECOND) ^ BigInt(data.length);
  one = (one + other) & MASK;
  other = (other + one) & MASK;
  return (finished(one) + finished(other)) & MASK;
}

function rotated(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function turned(block: bigint, before: bigint, bits: bigint, after: bigint): bigint {
  return (rotated((block * before) & MASK, bits) * after) & MASK;
}

function finished(value: bigint): bigint {
  const halfway = ((value ^ (value >> 33n)) * 0xff51afd7ed558ccdn) & MASK;
  const done = ((halfway ^ (halfway >> 33n)) * 0xc4ceb9fe1a85ec53n) & MASK;
  return done ^ (done >> 33n);
}
