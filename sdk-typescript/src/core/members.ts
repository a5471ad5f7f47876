/** Lists of units: small ones by name, large ones as sorted 64-bit hashes in a blob beside the snapshot. */
import { canonicalUnit, memberHash } from "./hashing.js";
import { isObject, memberOf, own, type Table } from "./values.js";

const BYTES_EACH = 8;
const LARGEST_COUNT = 5_000_000;
const ADDRESS = /^[0-9a-f]{64}$/;
const HALF = 32n;
const LOW = 0xffffffffn;

/** Tells whether attributes and units fulfil a condition. */
export type Test = (attributes: Table, units: Table) => boolean;

/** A list of hashed units, checked once; share it between snapshots. */
export class Members {
  readonly #view: DataView;

  /** @throws {RangeError} when the bytes are no ascending list of 64-bit hashes */
  constructor(data: Uint8Array) {
    if (data.length % BYTES_EACH !== 0 || data.length > LARGEST_COUNT * BYTES_EACH) {
      throw new RangeError(`a list of members has at most ${LARGEST_COUNT} hashes of ${BYTES_EACH} bytes`);
    }
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 1; at < this.size; at++) {
      if (this.#compare(at - 1, this.#view.getUint32(at * 8), this.#view.getUint32(at * 8 + 4)) >= 0) {
        throw new RangeError("a list of members ascends, each hash once");
      }
    }
  }

  get size(): number {
    return this.#view.byteLength / BYTES_EACH;
  }

  /** Tell whether a hash is in the list. */
  has(member: bigint): boolean {
    const [high, low] = [Number(member >> HALF), Number(member & LOW)];
    let [from, to] = [0, this.size];
    while (from < to) {
      const middle = (from + to) >> 1;
      const order = this.#compare(middle, high, low);
      if (order === 0) return true;
      if (order < 0) from = middle + 1;
      else to = middle;
    }
    return false;
  }

  #compare(at: number, high: number, low: number): number {
    return this.#view.getUint32(at * 8) - high || this.#view.getUint32(at * 8 + 4) - low;
  }
}

export function namedMembership(unitType: string, units: ReadonlySet<string>): Test {
  const unitOf = memberOf(unitType);
  return (_attributes, given) => {
    const unit = canonicalUnit(unitOf(given));
    return unit !== null && units.has(unit);
  };
}

export function hashedMembership(unitType: string, salt: string, members: Members): Test {
  const unitOf = memberOf(unitType);
  return (_attributes, given) => {
    const unit = canonicalUnit(unitOf(given));
    return unit !== null && members.has(memberHash(salt, unit));
  };
}

/** Return the addresses of all lists that a snapshot document names, wherever it does. */
export function namedBlobs(document: unknown): Set<string> {
  const addresses = new Set<string>();
  const pending: unknown[] = [document];
  while (pending.length > 0) {
    const node = pending.pop();
    if (typeof node !== "object" || node === null) continue;
    const members = isObject(node) ? own(node, "members") : undefined;
    const address = isObject(members) ? own(members, "blob") : undefined;
    if (typeof address === "string" && ADDRESS.test(address)) addresses.add(address);
    for (const inner of Object.values(node)) if (typeof inner === "object") pending.push(inner);
  }
  return addresses;
}
