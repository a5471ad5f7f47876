/** The steps of a flag that may decide: overrides, holdouts, rules. Each is a closure over what it serves. */
import { stickyKey, type Decision, type Enrolment, type Skip } from "./decisions.js";
import { passage, type Gate } from "./gates.js";
import { canonicalUnit } from "./hashing.js";
import type { Test } from "./members.js";
import { isObject, memberOf, own, type Table } from "./values.js";

/**
 * A decision ends the evaluation. Null goes on to the next step; a place in a holdout and the reason why the unit
 * was skipped are noted, and go on too.
 */
export type Step = (units: Table, attributes: Table, context: Table) => Decision | Enrolment | Skip | null;

/** Ask the condition first: who is not eligible is not skipped either. */
export function forEligible(eligible: Test | null, step: Step): Step {
  if (eligible === null) return step;
  return (units, attributes, context) => (eligible(attributes, units) ? step(units, attributes, context) : null);
}

export function served(decision: Decision): Step {
  return () => decision;
}

export function overrideByUnit(decision: Decision, unitType: string, named: ReadonlySet<string>): Step {
  const unitOf = memberOf(unitType);
  return (units) => {
    const unit = canonicalUnit(unitOf(units));
    return unit !== null && named.has(unit) ? decision : null;
  };
}

/** Serve the variant that the context itself asks for, such as by a signed link to a preview. */
export function overrideByLink(flagKey: string, answer: (variant: string) => Decision | null): Step {
  return (_units, _attributes, context) => {
    const overrides = context["overrides"];
    const variant = isObject(overrides) ? own(overrides, flagKey) : undefined;
    return typeof variant === "string" ? answer(variant) : null;
  };
}

export interface Holdout {
  readonly key: string;
  readonly season: number;
  readonly unitType: string;
  readonly gate: Gate;
}

export function holdoutStep(holdout: Holdout, baseline: Decision): Step {
  const { key, season, unitType } = holdout;
  const [unitOf, isHeld] = [memberOf(unitType), passage(holdout.gate)];
  return (units) => {
    const unit = canonicalUnit(unitOf(units));
    if (unit === null) return "unit_missing";
    const arm = isHeld(unit) ? "holdout" : "open";
    const place = { experiment: key, iteration: season, arm, unitType, unit, layer: key };
    return arm === "open" ? place : baseline.noted(undefined, [place]);
  };
}

export interface Ring {
  readonly eligible: Test | null;
  readonly parts: number;
  readonly decision: Decision;
}

/** Serve to the units that any ring lets in; the first one that does answers. */
export function rolloutStep(rings: readonly Ring[], unitType: string, salt: string): Step {
  const unitOf = memberOf(unitType);
  const passages = rings.map((ring) => ({ ...ring, passes: passage({ salt, parts: ring.parts }) }));
  return (units, attributes) => {
    const unit = canonicalUnit(unitOf(units));
    if (unit === null) return "unit_missing";
    for (const { passes, eligible, decision } of passages) {
      if (passes(unit) && (eligible === null || eligible(attributes, units))) return decision;
    }
    return null;
  };
}

/** A cluster that the context brings along stays the unit's cluster for the iteration. */
export function clusterReader(place: { experiment: string; iteration: number }, clusterType: string) {
  const [key, unitOf] = [stickyKey(place), memberOf(clusterType)];
  return (units: Table, context: Table): string | null => {
    const kept = context["clusters"];
    const cluster = isObject(kept) ? canonicalUnit(own(kept, key)) : null;
    return cluster ?? canonicalUnit(unitOf(units));
  };
}
