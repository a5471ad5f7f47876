/** Reads experiments. Serves nothing by itself. */
import { readGate, type Gate } from "./gates.js";
import { LARGEST_WEIGHT_SUM } from "./hashing.js";
import { readSlots, type Layer, type Layers } from "./layers.js";
import type { Test } from "./members.js";
import { Reader, readUnitType } from "./reading.js";
import { readSwitchback, type Switchback } from "./switchbacks.js";
import { readEligibility, type Segments } from "./targeting.js";
import { own, type Table } from "./values.js";

const MEMBERS = ["iteration", "layer", "unit_type", "cluster_type", "state", "killed", "eligibility"];
const DRAWING = ["slots", "gate", "salt", "switchback", "control", "variants"];

/** What an experiment does for the units that it enrols. */
export type Service = "split" | "stopped" | "killed";

export interface Arm {
  readonly key: string;
  readonly weight: number;
  /** Flag key → variant key. */
  readonly values: Table;
}

export interface Experiment {
  readonly key: string;
  readonly iteration: number;
  readonly layer: Layer;
  readonly service: Service;
  readonly eligible: Test | null;
  readonly unitType: string;
  /** The type of what is randomised in place of the units, or null. */
  readonly clusterType: string | null;
  readonly slots: ReturnType<typeof readSlots>;
  readonly gate: Gate | null;
  /** Of the split; "" in a switchback. */
  readonly salt: string;
  readonly switchback: Switchback | null;
  readonly control: Arm;
  readonly arms: readonly Arm[];
}

/** The experiments of one snapshot, each read when somebody asks for it. */
export class Experiments {
  readonly #known = new Map<string, Experiment | null>();

  constructor(
    readonly definitions: Table,
    readonly layers: Layers,
    readonly segments: Segments,
  ) {}

  /** Return null when there is no sound experiment of that key. */
  experiment(key: string): Experiment | null {
    if (!Object.hasOwn(this.definitions, key)) return null;
    let found = this.#known.get(key);
    if (found === undefined) this.#known.set(key, (found = this.#read(key)));
    return found;
  }

  #read(key: string): Experiment | null {
    const reader = new Reader(own(this.definitions, key), `/experiments/${key}`, [], [...MEMBERS, ...DRAWING]);
    const layer = this.layers.layer(reader.text("layer"));
    const unitType = readUnitType(reader, this.layers.unitTypes);
    const clusterType = reader.has("cluster_type") ? reader.text("cluster_type") : null;
    if (layer?.unitType !== (clusterType ?? unitType)) {
      reader.senseless("layer", "must be a sound layer of what is randomised");
    }
    const arms = readArms(reader);
    const control = arms.find((arm) => arm.key === reader.get("control"));
    if (!control) reader.senseless("control", "must be the key of one of the variants");
    const rest = {
      service: readService(reader),
      iteration: reader.integer("iteration", 1, Number.MAX_SAFE_INTEGER),
      eligible: readEligibility(reader, this.segments),
      slots: readSlots(reader),
      ...readDrawing(reader, arms.length),
    };
    if (reader.problems.length > 0 || !layer || !control) return null;
    return { key, layer, unitType, clusterType, arms, control, ...rest };
  }
}

function readService(reader: Reader): Service {
  const state = reader.text("state");
  if (!["", "running", "stopped"].includes(state)) reader.senseless("state", "must be running or stopped");
  if (reader.truth("killed")) return "killed";
  return state === "running" ? "split" : "stopped";
}

/** How arms are drawn: by the salt of a split, behind a gate, or by a schedule alone. */
function readDrawing(reader: Reader, armCount: number): Pick<Experiment, "salt" | "gate" | "switchback"> {
  const gate = reader.get("gate") ?? null;
  if (!reader.has("switchback")) {
    return { salt: reader.salt("salt"), gate: gate === null ? null : gateOf(gate, reader), switchback: null };
  }
  for (const name of ["salt", "gate", "cluster_type"]) {
    if ((reader.get(name) ?? null) !== null) reader.senseless(name, "does not go with a switchback");
  }
  return { salt: "", gate: null, switchback: readSwitchback(reader, armCount) };
}

function gateOf(node: unknown, outer: Reader): Gate {
  return readGate(new Reader(node, `${outer.path}/gate`, outer.problems, ["salt", "parts_per_million"]));
}

function readArms(reader: Reader): Arm[] {
  const arms = reader.array("variants").map((node, index) => {
    const path = `${reader.path}/variants/${index}`;
    const entry = new Reader(node, path, reader.problems, ["key", "weight", "values"]);
    const values = entry.table("values");
    const areKeys = Object.values(values).every((variant) => typeof variant === "string");
    if (!areKeys) entry.malformed("values", "must give each flag a variant key");
    return { key: entry.text("key"), weight: entry.integer("weight", 0, LARGEST_WEIGHT_SUM), values };
  });
  const sum = arms.reduce((total, arm) => total + arm.weight, 0);
  if (new Set(arms.map((arm) => arm.key)).size < arms.length) reader.senseless("variants", "must have different keys");
  if (sum < 1 || sum > LARGEST_WEIGHT_SUM) reader.senseless("variants", "must have weights that sum to 1 to 2**20");
  return arms;
}
