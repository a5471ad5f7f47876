/** Units that are kept on the baseline of every flag that a holdout covers; and those that are not. */
import { UNIT_MISSING, passes } from "./experiments.mjs";
import { PARTS, canonicalUnit } from "./hashing.mjs";
import { readUnitType } from "./layers.mjs";
import { Reader } from "./reading.mjs";

/** @returns {object | null} null when anything about the holdout is wrong */
export function readHoldout(key, node, unitTypes) {
  const problems = [];
  const known = ["season", "salt", "unit_type", "parts_per_million"];
  const reader = new Reader(node, `/holdouts/${key}`, problems, known);
  const unitType = readUnitType(reader, unitTypes);
  const season = reader.integer("season", 1, Number.MAX_SAFE_INTEGER);
  const gate = { salt: reader.salt("salt"), parts: reader.integer("parts_per_million", 0, PARTS) };
  return problems.length > 0 ? null : { key, season, unitType, gate };
}

/** What metadata tell of a place in a holdout. */
export function told(place) {
  return {
    "holdout.key": place.experiment,
    "holdout.season": place.iteration,
    "holdout.arm": place.arm,
    "holdout.unit_type": place.unit_type,
  };
}

export function holdoutStep(holdout, baseline) {
  const { key, season, unitType, gate } = holdout;
  return (unitOf) => {
    const unit = canonicalUnit(unitOf(unitType));
    if (unit === null) return UNIT_MISSING;
    const arm = passes(gate, unit) ? "holdout" : "open";
    const place = { experiment: key, iteration: season, arm, unit_type: unitType, unit, layer: key };
    if (arm === "open") return { place };
    return { ...baseline, holdouts: [place], metadata: { ...baseline.metadata, ...told(place) } };
  };
}
