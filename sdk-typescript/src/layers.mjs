/** Reads layers: how units are divided into slots. A layer divides all units, or those in a domain. */
import { SLOT_COUNT } from "./hashing.mjs";
import { Reader } from "./reading.mjs";

const LARGEST_DEPTH = 16;

export class Layers {
  #definitions;
  #unitTypes;

  constructor(definitions, unitTypes) {
    this.#definitions = definitions;
    this.#unitTypes = unitTypes;
  }

  /** @returns {object | null} null when there is no sound layer of that key */
  layer(key, level = 1) {
    if (!Object.hasOwn(this.#definitions, key)) return null;
    const problems = [];
    const known = ["salt", "unit_type", "launch", "domain"];
    const reader = new Reader(this.#definitions[key], `/layers/${key}`, problems, known);
    const unitType = readUnitType(reader, this.#unitTypes);
    const layer = { key, salt: reader.salt("salt"), unitType, isLaunch: reader.truth("launch") };
    const domain = this.#domain(reader, unitType, level);
    return problems.length > 0 ? null : { ...layer, domain };
  }

  #domain(reader, unitType, level) {
    if (reader.get("domain") === undefined) return null;
    if (level === LARGEST_DEPTH) {
      reader.senseless("domain", `nests deeper than ${LARGEST_DEPTH} layers`);
      return null;
    }
    const body = new Reader(reader.get("domain"), `${reader.path}/domain`, reader.problems, ["layer", "slots"]);
    const slots = readSlots(body);
    const layer = this.layer(body.text("layer"), level + 1);
    if (layer?.unitType !== unitType) body.senseless("layer", "must be a sound layer of the same unit type");
    return { layer, slots };
  }
}

export function readUnitType(reader, unitTypes) {
  const unitType = reader.text("unit_type");
  if (unitType !== "" && !unitTypes.includes(unitType)) reader.senseless("unit_type", "is not declared");
  return unitType;
}

export function readSlots(reader) {
  if (reader.get("slots") === undefined) reader.malformed("slots", "is required");
  const isRange = (entry) =>
    Array.isArray(entry) &&
    entry.length === 2 &&
    entry.every(Number.isInteger) &&
    0 <= entry[0] &&
    entry[0] < entry[1] &&
    entry[1] <= SLOT_COUNT;
  const ranges = reader.array("slots");
  if (!ranges.every(isRange)) reader.malformed("slots", "must hold [from, to] with 0 ≤ from < to ≤ 10,000");
  return ranges;
}
