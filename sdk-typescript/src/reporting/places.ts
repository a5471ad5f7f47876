/** Reads from an answer's metadata which places an exposure has to report: for those who only get evaluated values. */
import type { Enrolment, Metadata } from "../core/decisions.js";
import { canonicalUnit } from "../core/hashing.js";
import { own, type Table } from "../core/values.js";

/**
 * Return the places in experiment and holdout that metadata tell of (spec/evaluation.md, "Metadata").
 * @param units type → id, of the context that was evaluated
 */
export function placesIn(metadata: Metadata, units: Table): readonly Enrolment[] {
  return [...heldIn(metadata, units), ...enrolledIn(metadata, units)];
}

function heldIn(metadata: Metadata, units: Table): readonly Enrolment[] {
  const { "holdout.key": key, "holdout.season": iteration, "holdout.arm": arm } = metadata;
  const unitType = metadata["holdout.unit_type"];
  const unit = typeof unitType === "string" ? canonicalUnit(own(units, unitType)) : null;
  const isWhole = typeof key === "string" && typeof iteration === "number" && typeof arm === "string";
  if (!isWhole || typeof unitType !== "string" || unit === null) return [];
  return [{ experiment: key, iteration, arm, unitType, unit, layer: key, ...tokenIn(metadata, "holdout.token") }];
}

function enrolledIn(metadata: Metadata, units: Table): readonly Enrolment[] {
  const { "experiment.key": key, "experiment.iteration": iteration, "experiment.arm": arm } = metadata;
  const { "experiment.layer": layer, "experiment.unit_type": unitType, "experiment.window": window } = metadata;
  const unit = typeof unitType === "string" ? canonicalUnit(own(units, unitType)) : null;
  const isWhole = typeof key === "string" && typeof iteration === "number" && typeof arm === "string";
  if (metadata["experiment.active"] !== true || !isWhole || typeof unitType !== "string" || unit === null) return [];
  const met = window === undefined ? unit : `${unit}:${String(window)}`;
  const place = { experiment: key, iteration, arm, unitType, unit: met, layer: String(layer) };
  return [{ ...place, ...clusterIn(metadata, units), ...tokenIn(metadata, "exposure.token") }];
}

function tokenIn(metadata: Metadata, name: string): { token: string } | undefined {
  const token = metadata[name];
  return typeof token === "string" ? { token } : undefined;
}

function clusterIn(metadata: Metadata, units: Table): { clusterType: string; cluster: string } | undefined {
  const clusterType = metadata["experiment.cluster_type"];
  const cluster = typeof clusterType === "string" ? canonicalUnit(own(units, clusterType)) : null;
  return typeof clusterType === "string" && cluster !== null ? { clusterType, cluster } : undefined;
}
