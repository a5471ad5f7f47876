/** Reads JSON objects member by member and notes every fault, with its place, instead of throwing. */
import { canonicalUnit } from "./hashing.js";
import { isObject, own, type Table } from "./values.js";

export type FaultCode = "PARSE_ERROR" | "GENERAL";

export interface Problem {
  readonly path: string;
  readonly message: string;
  readonly code: FaultCode;
}

const SALT = /^[A-Za-z0-9._-]{1,64}$/;

export class Reader {
  readonly members: Table;

  /** @param known the members that may be there */
  constructor(
    node: unknown,
    readonly path: string,
    readonly problems: Problem[],
    known: readonly string[],
  ) {
    this.members = isObject(node) ? node : {};
    if (!isObject(node)) this.malformed(null, "must be an object");
    for (const name of Object.keys(this.members)) {
      if (!known.includes(name)) this.malformed(name, "is not a member that this version knows");
    }
  }

  /** Note a fault of form. */
  malformed(name: string | null, message: string): void {
    this.#note(name, message, "PARSE_ERROR");
  }

  /** Note a fault of meaning. */
  senseless(name: string | null, message: string): void {
    this.#note(name, message, "GENERAL");
  }

  #note(name: string | null, message: string, code: FaultCode): void {
    this.problems.push({ path: name === null ? this.path : `${this.path}/${name}`, message, code });
  }

  has(name: string): boolean {
    return Object.hasOwn(this.members, name);
  }

  get(name: string): unknown {
    return own(this.members, name);
  }

  text(name: string): string {
    const value = this.get(name);
    return typeof value === "string" && value !== "" ? value : this.#wanted(name, "a non-empty string", "");
  }

  salt(name: string): string {
    const value = this.get(name);
    return typeof value === "string" && SALT.test(value) ? value : this.#wanted(name, "a salt", "");
  }

  integer(name: string, low: number, high: number): number {
    const value = this.get(name);
    const fits = typeof value === "number" && Number.isInteger(value) && value >= low && value <= high;
    return fits ? value : this.#wanted(name, `an integer from ${low} to ${high}`, low);
  }

  truth(name: string): boolean {
    const value = this.get(name);
    if (value === undefined) return false;
    return typeof value === "boolean" ? value : this.#wanted(name, "true or false", false);
  }

  array(name: string): readonly unknown[] {
    const value = this.get(name);
    if (value === undefined) return [];
    return Array.isArray(value) ? value : this.#wanted(name, "an array", []);
  }

  table(name: string): Table {
    const value = this.get(name);
    if (value === undefined) return {};
    return isObject(value) ? value : this.#wanted(name, "an object", {});
  }

  texts(name: string): string[] {
    const values = this.array(name);
    const texts = values.filter((value) => typeof value === "string");
    if (texts.length < values.length) this.malformed(name, "must hold strings alone");
    return texts;
  }

  #wanted<T>(name: string, wanted: string, otherwise: T): T {
    this.malformed(name, `must be ${wanted}`);
    return otherwise;
  }
}

/** Return the canonical ids of a required list of units. */
export function readUnits(reader: Reader): Set<string> {
  const units = reader.array("units").map(canonicalUnit);
  if (!reader.has("units") || units.includes(null)) reader.malformed("units", "must be unit ids");
  return new Set(units.filter((unit) => unit !== null));
}

export function readUnitType(reader: Reader, unitTypes: ReadonlySet<string>): string {
  const unitType = reader.text("unit_type");
  if (unitType !== "" && !unitTypes.has(unitType)) reader.senseless("unit_type", "is not declared");
  return unitType;
}
