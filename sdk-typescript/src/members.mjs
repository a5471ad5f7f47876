/** Lists of units: small ones by name, large ones as sorted 64-bit hashes in a blob beside the snapshot. */
import { canonicalUnit, textString } from "./hashing.mjs";

const BYTES_EACH = 8;
const MASK = (1n << 64n) - 1n;
const FIRST = 0x87c37b91114253d5n;
const SECOND = 0x4cf5ad432745937fn;

/** @returns {(attributes: object, unitOf: (unitType: string) => unknown) => boolean} */
export function namedMembership(unitType, units) {
  return (_attributes, unitOf) => units.has(canonicalUnit(unitOf(unitType)));
}

/** @param {Uint8Array} blob big-endian hashes, ascending */
export function hashedMembership(unitType, salt, blob) {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  return (_attributes, unitOf) => {
    const unit = canonicalUnit(unitOf(unitType));
    return unit !== null && holds(view, memberHash(salt, unit));
  };
}

function holds(view, member) {
  let low = 0;
  let high = Math.floor(view.byteLength / BYTES_EACH);
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = view.getBigUint64(middle * BYTES_EACH);
    if (found === member) return true;
    if (found < member) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** @returns {bigint} MurmurHash3_x64_128 with seed 0, its first half: spec/hashing.md, "Members" */
export function memberHash(salt, unit) {
  const data = textString(salt, unit);
  const view = new DataView(data.buffer);
  let [one, other] = [0n, 0n];
  const whole = data.length - (data.length % 16);
  for (let at = 0; at < whole; at += 16) {
    one ^= mixed(view.getBigUint64(at, true), FIRST, 31n, SECOND);
    one = ((rotated(one, 27n) + other) * 5n + 0x52dce729n) & MASK;
    other ^= mixed(view.getBigUint64(at + 8, true), SECOND, 33n, FIRST);
    other = ((rotated(other, 31n) + one) * 5n + 0x38495ab5n) & MASK;
  }
  const rest = new DataView(new ArrayBuffer(16));
  data.subarray(whole).forEach((byte, at) => rest.setUint8(at, byte));
  other ^= mixed(rest.getBigUint64(8, true), SECOND, 33n, FIRST) ^ BigInt(data.length);
  one ^= mixed(rest.getBigUint64(0, true), FIRST, 31n, SECOND) ^ BigInt(data.length);
  one = (one + other) & MASK;
  other = (other + one) & MASK;
  return (finished(one) + finished(other)) & MASK;
}

const rotated = (value, bits) => ((value << bits) | (value >> (64n - bits))) & MASK;

const mixed = (block, before, bits, after) => (rotated((block * before) & MASK, bits) * after) & MASK;

function finished(value) {
  const halfway = ((value ^ (value >> 33n)) * 0xff51afd7ed558ccdn) & MASK;
  const done = ((halfway ^ (halfway >> 33n)) * 0xc4ceb9fe1a85ec53n) & MASK;
  return done ^ (done >> 33n);
}
