/** Reads experiments and compiles each into a step: eligibility → slot → gate → split or schedule. */
import { LARGEST_WEIGHT_SUM, PARTS, canonicalUnit, hashUnit, pick, scaled, slot } from "./hashing.mjs";
import { milliseconds } from "./instants.mjs";
import { readSlots, readUnitType } from "./layers.mjs";
import { Reader, isObject, own } from "./reading.mjs";
import { readSwitchback } from "./switchbacks.mjs";
import { compileCondition } from "./targeting.mjs";

/** What a step answers instead of a decision when only the lack of a unit or a clock kept it from deciding. */
export const UNIT_MISSING = Symbol("unit_missing");
export const CLOCK_MISSING = Symbol("clock_missing");

const MEMBERS = ["iteration", "layer", "unit_type", "cluster_type", "state", "killed", "eligibility"];
const DRAWING = ["slots", "gate", "salt", "switchback", "control", "variants"];
const LARGEST = Number.MAX_SAFE_INTEGER;

/** @returns {(attributes: object, unitOf: (unitType: string) => unknown) => boolean} absent or null admits everybody */
export function readEligibility(reader, segments) {
  const node = reader.get("eligibility");
  if (node === undefined || node === null) return () => true;
  return compileCondition(node, `${reader.path}/eligibility`, segments, reader.problems)?.test ?? (() => false);
}

export const passes = (gate, unit) => scaled(hashUnit(gate.salt, unit), PARTS) < gate.parts;

/** @returns {object | null} null when anything about the experiment is wrong */
export function readExperiment(key, node, around) {
  const problems = [];
  const reader = new Reader(node, `/experiments/${key}`, problems, [...MEMBERS, ...DRAWING]);
  const layerKey = reader.text("layer");
  const layer = around.layers.layer(layerKey);
  const unitType = readUnitType(reader, around.unitTypes);
  const clusterType = reader.get("cluster_type") === undefined ? null : reader.text("cluster_type");
  const randomisedType = clusterType ?? unitType;
  if (layer?.unitType !== randomisedType) reader.senseless("layer", "must be a sound layer of what is randomised");
  const state = reader.text("state");
  if (!["running", "stopped"].includes(state)) reader.senseless("state", "must be running or stopped");
  const killed = reader.truth("killed");
  const arms = readArms(reader);
  const control = arms.find((arm) => arm.key === reader.get("control"));
  if (!control) reader.senseless("control", "must be the key of one of the variants");
  const experiment = {
    key,
    layerKey,
    layer,
    unitType,
    clusterType,
    arms,
    control,
    service: killed ? "killed" : state === "running" ? "split" : "stopped",
    iteration: reader.integer("iteration", 1, LARGEST),
    eligible: readEligibility(reader, around.segments),
    slots: readSlots(reader),
    ...readDrawing(reader, arms.length),
  };
  return problems.length > 0 ? null : experiment;
}

/** How arms are drawn: by the salt of a split, behind a gate, or by a schedule alone. */
function readDrawing(reader, armCount) {
  const gate = reader.get("gate") ?? null;
  if (reader.get("switchback") === undefined) {
    return { salt: reader.salt("salt"), gate: gate === null ? null : readGate(gate, reader), switchback: null };
  }
  for (const name of ["salt", "gate", "cluster_type"]) {
    if ((reader.get(name) ?? null) !== null) reader.senseless(name, "does not go with a switchback");
  }
  return { salt: "", gate: null, switchback: readSwitchback(reader, armCount) };
}

function readGate(node, outer) {
  const reader = new Reader(node, `${outer.path}/gate`, outer.problems, ["salt", "parts_per_million"]);
  return { salt: reader.salt("salt"), parts: reader.integer("parts_per_million", 0, PARTS) };
}

function readArms(reader) {
  const arms = reader.array("variants").map((node, index) => {
    const entry = new Reader(node, `${reader.path}/variants/${index}`, reader.problems, ["key", "weight", "values"]);
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

/** @param {Map<string, object>} answers arm key → prepared decision */
export function experimentStep(experiment, answers) {
  const { arms, clusterType, eligible, gate, layer, slots, switchback, unitType } = experiment;
  const weights = arms.map((arm) => arm.weight);
  return (unitOf, attributes, context) => {
    if (!eligible(attributes, unitOf)) return null;
    const unit = canonicalUnit(unitOf(unitType));
    const randomised = clusterType === null ? unit : clusterOf(experiment, unitOf, context);
    if (unit === null || randomised === null) return UNIT_MISSING;
    if (switchback !== null && !Object.hasOwn(switchback.arms, randomised)) return null;
    if (!isEntered(layer, slots, randomised)) return null;
    if (gate !== null && !passes(gate, randomised)) return null;
    if (experiment.service !== "split") return answers.get(experiment.control.key);
    if (switchback !== null) return scheduled(experiment, answers, randomised, context);
    const arm = arms[pick(hashUnit(experiment.salt, randomised), weights)].key;
    const cluster = clusterType === null ? {} : { cluster_type: clusterType, cluster: randomised };
    return { ...answers.get(arm), enrolment: { ...enrolment(experiment, arm, unit), ...cluster } };
  };
}

/** A cluster that the context brings along stays the unit's cluster for the iteration. */
function clusterOf({ key, iteration, clusterType }, unitOf, context) {
  const kept = own(context, "clusters");
  const cluster = isObject(kept) ? canonicalUnit(own(kept, `${key}:${iteration}`)) : null;
  return cluster ?? canonicalUnit(unitOf(clusterType));
}

function scheduled(experiment, answers, region, context) {
  const { switchback, arms } = experiment;
  const now = milliseconds(own(context, "now"));
  if (now === null) return CLOCK_MISSING;
  const index = Math.floor((now - switchback.start) / switchback.window);
  if (index < 0 || index >= switchback.count) return null;
  const isBurnIn = now - switchback.start - index * switchback.window < switchback.burnIn;
  const arm = arms[Number(switchback.arms[region][index])].key;
  const answer = answers.get(arm);
  const metadata = { ...answer.metadata, "experiment.window": index, "experiment.burn_in": isBurnIn };
  return { ...answer, metadata, enrolment: enrolment(experiment, arm, `${region}:${index}`) };
}

/** Domains are asked from the inside out: all of them have to hold. */
function isEntered(layer, slots, unit) {
  const place = slot(layer.salt, unit);
  if (!slots.some(([low, high]) => low <= place && place < high)) return false;
  return layer.domain === null || isEntered(layer.domain.layer, layer.domain.slots, unit);
}

function enrolment({ key, iteration, unitType, layerKey }, arm, unit) {
  return { experiment: key, iteration, arm, unit_type: unitType, unit, layer: layerKey };
}
