/** Turns (salt, unit) into 32 bits, and 32 bits into an arm: spec/hashing.md, hash version 1. */

export const SLOT_COUNT = 10_000;
export const PARTS = 1_000_000;
export const LARGEST_WEIGHT_SUM = 2 ** 20;
const LONGEST_UNIT_BYTES = 256;
const SPACE = 2 ** 32;

const encoder = new TextEncoder();

/** @param {string} salt @param {string} unit @returns {number} unsigned 32-bit integer */
export function hashUnit(salt, unit) {
  return murmur(textString(salt, unit));
}

/** @returns {Uint8Array} the bytes that are hashed: salt and unit as one CBOR text string */
export function textString(salt, unit) {
  const text = encoder.encode(`${salt}:${unit}`);
  const head = header(text.length);
  const data = new Uint8Array(head.length + text.length);
  data.set(head);
  data.set(text, head.length);
  return data;
}

/** @returns {number} the slot, 0 to 9,999, of a unit in the layer that owns the salt */
export function slot(salt, unit) {
  return scaled(hashUnit(salt, unit), SLOT_COUNT);
}

/** Return floor(hash · whole / 2³²): exact, because whole ≤ 2²⁰ keeps the product below 2⁵³. */
export function scaled(hash, whole) {
  return Math.floor((hash * whole) / SPACE);
}

/** @param {number} hash @param {number[]} weights @returns {number} the index of the arm */
export function pick(hash, weights) {
  const place = scaled(hash, weights.reduce((sum, weight) => sum + weight, 0));
  let edge = 0;
  return weights.findIndex((weight) => place < (edge += weight));
}

/** @param {unknown} value @returns {string | null} null when the id counts as missing */
export function canonicalUnit(value) {
  const unit = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof unit !== "string" || unit === "" || !unit.isWellFormed()) return null;
  return encoder.encode(unit).length <= LONGEST_UNIT_BYTES ? unit : null;
}

/** The CBOR head of a text of that many bytes (RFC 8949, major type 3). */
function header(size) {
  if (size < 24) return [0x60 + size];
  if (size < 256) return [0x78, size];
  if (size < 65_536) return [0x79, size >> 8, size & 255];
  throw new RangeError(`salt and unit need ${size} bytes; at most 65,535 can be hashed`);
}

/** MurmurHash3_x86_32 with seed 0. */
function murmur(data) {
  let state = 0;
  const tail = data.length & ~3;
  for (let at = 0; at < tail; at += 4) {
    state ^= mixed(data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24));
    state = Math.imul((state << 13) | (state >>> 19), 5) + 0xe6546b64;
  }
  let rest = 0;
  for (let at = data.length - 1; at >= tail; at--) rest = (rest << 8) | data[at];
  state ^= mixed(rest) ^ data.length;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

function mixed(block) {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}
