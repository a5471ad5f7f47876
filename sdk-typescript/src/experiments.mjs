/** Reads experiments and compiles each into a step: eligibility → slot → gate → split. */
import { LARGEST_WEIGHT_SUM, PARTS, canonicalUnit, hashUnit, pick, scaled, slot } from "./hashing.mjs";
import { readSlots } from "./layers.mjs";
import { Reader } from "./reading.mjs";
import { compileCondition } from "./targeting.mjs";

/** What a step answers when only the lack of a unit kept it from deciding. */
export const UNIT_MISSING = Symbol("unit_missing");

const MEMBERS = ["iteration", "layer", "unit_type", "state", "killed", "eligibility", "slots", "gate", "salt"];
const LARGEST = Number.MAX_SAFE_INTEGER;

/** @returns {(attributes: object) => boolean} absent or null admits everybody */
export function readEligibility(reader, segments) {
  const node = reader.get("eligibility");
  if (node === undefined || node === null) return () => true;
  return compileCondition(node, `${reader.path}/eligibility`, segments, reader.problems)?.test ?? (() => false);
}

function readGate(node, path, problems) {
  const reader = new Reader(node, path, problems, ["salt", "parts_per_million"]);
  return { salt: reader.salt("salt"), parts: reader.integer("parts_per_million", 0, PARTS) };
}

export const passes = (gate, unit) => scaled(hashUnit(gate.salt, unit), PARTS) < gate.parts;

/** @returns {object | null} null when anything about the experiment is wrong */
export function readExperiment(key, node, around) {
  const problems = [];
  const path = `/experiments/${key}`;
  const reader = new Reader(node, path, problems, [...MEMBERS, "control", "variants"]);
  const layerKey = reader.text("layer");
  const layer = around.layers.layer(layerKey);
  const unitType = reader.text("unit_type");
  if (!layer || layer.unitType !== unitType) reader.senseless("layer", "must be a sound layer of the unit type");
  const state = reader.text("state");
  if (!["running", "stopped"].includes(state)) reader.senseless("state", "must be running or stopped");
  const killed = reader.truth("killed");
  const arms = readArms(reader);
  const control = arms.find((arm) => arm.key === reader.get("control"));
  if (!control) reader.senseless("control", "must be the key of one of the variants");
  const gate = reader.get("gate") ?? null;
  const experiment = {
    key,
    layerKey,
    layer,
    unitType,
    arms,
    control,
    service: killed ? "killed" : state === "running" ? "split" : "stopped",
    iteration: reader.integer("iteration", 1, LARGEST),
    eligible: readEligibility(reader, around.segments),
    slots: readSlots(reader),
    gate: gate === null ? null : readGate(gate, `${path}/gate`, problems),
    salt: reader.salt("salt"),
  };
  return problems.length > 0 ? null : experiment;
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
  const { arms, eligible, gate, layer, slots, unitType } = experiment;
  const weights = arms.map((arm) => arm.weight);
  return (unitOf, attributes) => {
    if (!eligible(attributes, unitOf)) return null;
    const unit = canonicalUnit(unitOf(unitType));
    if (unit === null) return UNIT_MISSING;
    if (!isEntered(layer, slots, unit)) return null;
    if (gate !== null && !passes(gate, unit)) return null;
    if (experiment.service !== "split") return answers.get(experiment.control.key);
    const arm = arms[pick(hashUnit(experiment.salt, unit), weights)].key;
    return { ...answers.get(arm), enrolment: enrolment(experiment, arm, unit) };
  };
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
