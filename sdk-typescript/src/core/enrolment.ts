/** Compiles one experiment into a step: eligibility → slot in the layer → gate → split or schedule. */
import type { Decision, Enrolment } from "./decisions.js";
import type { Experiment } from "./experiments.js";
import { passage } from "./gates.js";
import { armAt, canonicalUnit, hasher, thresholds } from "./hashing.js";
import { milliseconds } from "./instants.js";
import { entrance } from "./layers.js";
import { clusterReader, forEligible, type Step } from "./steps.js";
import type { Switchback } from "./switchbacks.js";
import { memberOf, type Table } from "./values.js";

/** The unit that an experiment enrols, and what is randomised: the unit itself or its cluster. */
interface Entered {
  readonly unit: string;
  readonly randomised: string;
}

/** A prepared answer, and the place of whoever gets it. */
interface Prepared {
  readonly decision: Decision;
  readonly place: Omit<Enrolment, "unit">;
}

/** Return the step of a flag that the experiment sets; `answers` are arm key → prepared answer. */
export function experimentStep(experiment: Experiment, answers: ReadonlyMap<string, Decision>): Step {
  const step = decider(experiment, answers);
  return forEligible(experiment.eligible, step);
}

function decider(experiment: Experiment, answers: ReadonlyMap<string, Decision>): Step {
  const { arms, clusterType, service, switchback } = experiment;
  const prepared = arms.flatMap((arm) => prepare(experiment, arm.key, answers.get(arm.key)));
  if (service !== "split") return controlled(experiment, answers.get(experiment.control.key));
  if (switchback !== null) return scheduled(experiment, switchback, prepared);
  return clusterType === null ? split(experiment, prepared) : clustered(experiment, clusterType, prepared);
}

function prepare(experiment: Experiment, arm: string, decision: Decision | undefined): Prepared[] {
  const { key, iteration, unitType, layer } = experiment;
  const place = { experiment: key, iteration, arm, unitType, layer: layer.key };
  return decision === undefined ? [] : [{ decision, place }];
}

/** The plain case: `clustered`, with the unit itself and without a step between. */
function split(experiment: Experiment, prepared: readonly Prepared[]): Step {
  const { gate, layer, salt, slots, unitType } = experiment;
  const [unitOf, isInside, draw] = [memberOf(unitType), entrance(layer, slots), hasher(salt)];
  const passes = gate === null ? null : passage(gate);
  const bounds = thresholds(experiment.arms.map((arm) => arm.weight));
  return (units) => {
    const unit = canonicalUnit(unitOf(units));
    if (unit === null) return "unit_missing";
    if (!isInside(unit) || (passes !== null && !passes(unit))) return null;
    const { decision, place } = prepared[armAt(draw(unit), bounds)] as Prepared;
    const { experiment: key, iteration, arm, unitType: type, layer: layerKey } = place;
    return decision.enrolled({ experiment: key, iteration, arm, unitType: type, unit, layer: layerKey }, null);
  };
}

function clustered(experiment: Experiment, clusterType: string, prepared: readonly Prepared[]): Step {
  const [enter, draw] = [entering(experiment), hasher(experiment.salt)];
  const bounds = thresholds(experiment.arms.map((arm) => arm.weight));
  return (units, _attributes, context) => {
    const entered = enter(units, context);
    if (entered === null || typeof entered === "string") return entered;
    const { decision, place } = prepared[armAt(draw(entered.randomised), bounds)] as Prepared;
    return decision.enrolled({ ...place, unit: entered.unit, clusterType, cluster: entered.randomised }, null);
  };
}

/** A killed or stopped experiment enrols the same units and gives all of them control, unexposed. */
function controlled(experiment: Experiment, control: Decision | undefined): Step {
  const enter = entering(experiment);
  return (units, _attributes, context) => {
    const entered = enter(units, context);
    return entered === null || typeof entered === "string" ? entered : (control ?? null);
  };
}

function scheduled(experiment: Experiment, switchback: Switchback, prepared: readonly Prepared[]): Step {
  const enter = entering(experiment);
  return (units, _attributes, context) => {
    const entered = enter(units, context);
    if (entered === null || typeof entered === "string") return entered;
    const now = milliseconds(context["now"]);
    if (now === null) return "clock_missing";
    const window = switchback.windowAt(now);
    if (window === null) return null;
    const { decision, place } = prepared[switchback.armOf(entered.randomised, window)] as Prepared;
    const extra = { "experiment.window": window.index, "experiment.burn_in": window.isBurnIn };
    return decision.enrolled({ ...place, unit: `${entered.unit}:${window.index}` }, extra);
  };
}

function entering(experiment: Experiment): (units: Table, context: Table) => Entered | "unit_missing" | null {
  const { clusterType, gate, iteration, key, layer, slots, switchback, unitType } = experiment;
  const [unitOf, isInside] = [memberOf(unitType), entrance(layer, slots)];
  const clusterOf = clusterType === null ? null : clusterReader({ experiment: key, iteration }, clusterType);
  const passes = gate === null ? null : passage(gate);
  return (units, context) => {
    const unit = canonicalUnit(unitOf(units));
    const randomised = clusterOf === null ? unit : clusterOf(units, context);
    if (unit === null || randomised === null) return "unit_missing";
    if (switchback !== null && !switchback.arms.has(randomised)) return null;
    if (!isInside(randomised) || (passes !== null && !passes(randomised))) return null;
    return { unit, randomised };
  };
}
