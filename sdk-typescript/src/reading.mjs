/** Reads JSON objects member by member and notes every fault, with its place, instead of throwing. */
import { canonicalUnit } from "./hashing.mjs";

export const PARSE_ERROR = "PARSE_ERROR";
export const GENERAL = "GENERAL";

const SALT = /^[A-Za-z0-9._-]{1,64}$/;

/** @param {unknown} node @returns {node is Record<string, unknown>} */
export function isObject(node) {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

/** Own members alone: what an object inherits, such as "constructor", is not in the document. */
export function own(node, name) {
  return Object.hasOwn(node, name) ? node[name] : undefined;
}

/** @param {Reader} reader @returns {Set<string>} the canonical ids of a required list of units */
export function readUnits(reader) {
  const units = new Set(reader.array("units").map(canonicalUnit));
  if (reader.get("units") === undefined || units.has(null)) reader.malformed("units", "must be unit ids");
  return units;
}

export class Reader {
  /** @param {unknown} node @param {string} path @param {object[]} problems @param {string[]} known */
  constructor(node, path, problems, known) {
    this.path = path;
    this.problems = problems;
    this.members = isObject(node) ? node : {};
    if (!isObject(node)) this.malformed(null, "must be an object");
    for (const name of Object.keys(this.members)) {
      if (!known.includes(name)) this.malformed(name, "is not a member that this version knows");
    }
  }

  malformed(name, message) {
    this.#note(name, message, PARSE_ERROR);
  }

  senseless(name, message) {
    this.#note(name, message, GENERAL);
  }

  #note(name, message, code) {
    this.problems.push({ path: name === null ? this.path : `${this.path}/${name}`, message, code });
  }

  get(name) {
    return own(this.members, name);
  }

  text(name) {
    return this.#required(name, (value) => typeof value === "string" && value !== "", "a non-empty string", "");
  }

  salt(name) {
    return this.#required(name, (value) => typeof value === "string" && SALT.test(value), "a salt", "");
  }

  integer(name, low, high) {
    const fits = (value) => Number.isInteger(value) && value >= low && value <= high;
    return this.#required(name, fits, `an integer from ${low} to ${high}`, low);
  }

  truth(name) {
    return this.#optional(name, (value) => typeof value === "boolean", "true or false", false);
  }

  array(name) {
    return this.#optional(name, Array.isArray, "an array", []);
  }

  table(name) {
    return this.#optional(name, isObject, "an object", {});
  }

  texts(name) {
    const values = this.array(name);
    if (!values.every((value) => typeof value === "string")) this.malformed(name, "must hold strings alone");
    return values.filter((value) => typeof value === "string");
  }

  #optional(name, fits, wanted, otherwise) {
    return this.get(name) === undefined ? otherwise : this.#required(name, fits, wanted, otherwise);
  }

  #required(name, fits, wanted, otherwise) {
    const value = this.get(name);
    if (fits(value)) return value;
    this.malformed(name, `must be ${wanted}`);
    return otherwise;
  }
}
