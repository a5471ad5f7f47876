/** Reads layers: how units are divided into slots. A layer divides all units, or those in a domain. */
import { hasher, SLOT_COUNT, threshold } from "./hashing.js";
import { Reader, readUnitType } from "./reading.js";
import { own, type Table } from "./values.js";

const LARGEST_DEPTH = 16;

type Slots = readonly (readonly [number, number])[];

export interface Layer {
  readonly key: string;
  readonly salt: string;
  readonly unitType: string;
  readonly isLaunch: boolean;
  readonly domain: { readonly layer: Layer; readonly slots: Slots } | null;
}

export class Layers {
  constructor(
    readonly definitions: Table,
    readonly unitTypes: ReadonlySet<string>,
  ) {}

  /** Return null when there is no sound layer of that key. */
  layer(key: string, level = 1): Layer | null {
    if (!Object.hasOwn(this.definitions, key)) return null;
    const known = ["salt", "unit_type", "launch", "domain"];
    const reader = new Reader(own(this.definitions, key), `/layers/${key}`, [], known);
    const unitType = readUnitType(reader, this.unitTypes);
    const [salt, isLaunch] = [reader.salt("salt"), reader.truth("launch")];
    const domain = this.#domain(reader, unitType, level);
    return reader.problems.length > 0 ? null : { key, salt, unitType, isLaunch, domain };
  }

  #domain(reader: Reader, unitType: string, level: number): Layer["domain"] {
    if (!reader.has("domain")) return null;
    if (level === LARGEST_DEPTH) {
      reader.senseless("domain", `nests deeper than ${LARGEST_DEPTH} layers`);
      return null;
    }
    const body = new Reader(reader.get("domain"), `${reader.path}/domain`, reader.problems, ["layer", "slots"]);
    const slots = readSlots(body);
    const layer = this.layer(body.text("layer"), level + 1);
    if (layer?.unitType === unitType) return { layer, slots };
    body.senseless("layer", "must be a sound layer of the same unit type");
    return null;
  }
}

export function readSlots(reader: Reader): Slots {
  if (!reader.has("slots")) reader.malformed("slots", "is required");
  const ranges = reader.array("slots");
  if (ranges.every(isRange)) return ranges;
  reader.malformed("slots", "must hold [from, to] with 0 ≤ from < to ≤ 10,000");
  return [];
}

function isRange(entry: unknown): entry is [number, number] {
  if (!Array.isArray(entry) || entry.length !== 2 || !entry.every(Number.isInteger)) return false;
  const [low, high] = entry as [number, number];
  return 0 <= low && low < high && high <= SLOT_COUNT;
}

/** Tell whether a unit lies in some slots of a layer, and in those of the layers around it. */
export function entrance(layer: Layer, slots: Slots): (unit: string) => boolean {
  const hash = hasher(layer.salt);
  const ranges = slots.map(([low, high]) => [threshold(low, SLOT_COUNT), threshold(high, SLOT_COUNT)] as const);
  const [only] = ranges;
  const isOutermost = layer.domain === null;
  if (isOutermost && ranges.length === 1 && only !== undefined) {
    const [low, high] = only;
    return (unit) => {
      const place = hash(unit);
      return low <= place && place < high;
    };
  }
  const around = layer.domain === null ? () => true : entrance(layer.domain.layer, layer.domain.slots);
  return (unit) => {
    const place = hash(unit);
    return ranges.some(([low, high]) => low <= place && place < high) && around(unit);
  };
}
