/** Turns (salt, unit) into 32 bits, and 32 bits into an arm: spec/hashing.md, hash version 1. */
import { murmur32, murmur64 } from "./murmur.js";

export const SLOT_COUNT = 10_000;
export const PARTS = 1_000_000;
export const LARGEST_WEIGHT_SUM = 2 ** 20;
const LONGEST_UNIT_BYTES = 256;
const SURELY_SHORT = 85; // no code unit needs more than three bytes
const SPACE = 2 ** 32;
const LONGEST_KEPT = 62; // with its head 64 bytes, which V8 keeps beside other small objects
const ASCII = /^[\0-\x7f]*$/;

const encoder = new TextEncoder();

/**
 * Return the unsigned 32-bit hash of a unit under a salt.
 * @throws {RangeError} when both together need 65,536 bytes or more
 */
export function hashUnit(salt: string, unit: string): number {
  const data = textString(salt, unit);
  return murmur32(data, data.length);
}

/** Return the unsigned 64-bit hash of a unit in a list of members (spec/hashing.md, "Members"). */
export function memberHash(salt: string, unit: string): bigint {
  return murmur64(textString(salt, unit));
}

/** Return the slot, 0 to 9,999, of a unit in the layer that owns the salt. */
export function slot(salt: string, unit: string): number {
  return scaled(hashUnit(salt, unit), SLOT_COUNT);
}

/**
 * Return the index of the arm that a hash falls into.
 * @throws {RangeError} when the hash or the weights are out of range
 */
export function pick(hash: number, weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const isHash = Number.isInteger(hash) && hash >= 0 && hash < SPACE;
  const areWeights = weights.every((weight) => Number.isInteger(weight) && weight >= 0);
  if (!isHash || !areWeights || total < 1 || total > LARGEST_WEIGHT_SUM) {
    throw new RangeError("a hash is below 2**32; weights are integers of at least 0 that sum to 1 to 2**20");
  }
  return armAt(hash, thresholds(weights));
}

/** Return the text that is hashed for a unit id, or null when the id counts as missing (spec, "Unit ids"). */
export function canonicalUnit(value: unknown): string | null {
  const unit = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof unit !== "string" || unit === "" || !unit.isWellFormed()) return null;
  if (unit.length <= SURELY_SHORT) return unit;
  return unit.length <= LONGEST_UNIT_BYTES && encoder.encode(unit).length <= LONGEST_UNIT_BYTES ? unit : null;
}

/** Return the smallest hash whose place in `whole` is at least `part`: exact, because part · 2³² < 2⁵³. */
export function threshold(part: number, whole: number): number {
  return Math.ceil((part * SPACE) / whole);
}

/** Return each arm's upper bound. */
export function thresholds(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let edge = 0;
  return weights.map((weight) => threshold((edge += weight), total));
}

/** Return the first arm whose upper bound is above the hash. */
export function armAt(hash: number, bounds: readonly number[]): number {
  let arm = 0;
  while (hash >= (bounds[arm] as number)) arm++;
  return arm;
}

/** Return `hashUnit` with the salt filled in: short ASCII is written into kept buffers, and nothing is allocated. */
export function hasher(salt: string): (unit: string) => number {
  const start = salt.length + 1;
  if (!ASCII.test(salt) || start > LONGEST_KEPT) return (unit) => hashUnit(salt, unit);
  const [near, far] = [prefixed(salt, 1), prefixed(salt, 2)];
  return (unit) => {
    const size = start + unit.length;
    if (size > LONGEST_KEPT) return hashUnit(salt, unit);
    const isNear = size < 24;
    const data = isNear ? near : far;
    data[0] = isNear ? 0x60 + size : 0x78;
    if (!isNear) data[1] = size;
    let at = isNear ? start + 1 : start + 2;
    for (let index = 0; index < unit.length; index++) {
      const code = unit.charCodeAt(index);
      if (code > 127) return hashUnit(salt, unit);
      data[at++] = code;
    }
    return murmur32(data, at);
  };
}

function prefixed(salt: string, head: number): Uint8Array {
  const data = new Uint8Array(LONGEST_KEPT + 2);
  data.set(encoder.encode(`${salt}:`), head);
  return data;
}

function scaled(hash: number, whole: number): number {
  return Math.floor((hash * whole) / SPACE);
}

/** Return the bytes that are hashed: salt and unit as one CBOR text string (RFC 8949, major type 3). */
function textString(salt: string, unit: string): Uint8Array {
  const text = encoder.encode(`${salt}:${unit}`);
  const head = header(text.length);
  const data = new Uint8Array(head.length + text.length);
  data.set(head);
  data.set(text, head.length);
  return data;
}

function header(size: number): number[] {
  if (size < 24) return [0x60 + size];
  if (size < 256) return [0x78, size];
  if (size < 65_536) return [0x79, size >> 8, size & 255];
  throw new RangeError(`salt and unit need ${size} bytes; at most 65,535 can be hashed`);
}
