/** Reads one flag and compiles it into its steps. A fault spoils this flag and no other. */
import { answer, failure, type Decision, type Metadata, type Reason } from "./decisions.js";
import { experimentStep } from "./enrolment.js";
import type { Experiment, Experiments } from "./experiments.js";
import { readGate } from "./gates.js";
import { PARTS } from "./hashing.js";
import type { Prerequisites } from "./prerequisites.js";
import { Reader, readUnits, readUnitType, type Problem } from "./reading.js";
import {
  forEligible,
  holdoutStep,
  overrideByLink,
  overrideByUnit,
  rolloutStep,
  served,
  type Holdout,
  type Ring,
  type Step,
} from "./steps.js";
import { readEligibility, type Segments } from "./targeting.js";
import { isObject, own, type Table } from "./values.js";

const MEMBERS = ["type", "variants", "off", "default", "killed", "groups", "prerequisites", "overrides", "experiments"];
const REASONS = { split: "SPLIT", stopped: "DEFAULT", killed: "DISABLED" } as const;
const OVERRIDDEN = { step: "override", "experiment.arm": "override" };

export type Kind = "boolean" | "string" | "number" | "object";

const FITS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number" && Number.isFinite(value),
  object: (value) => typeof value === "object" && value !== null,
};

/** Tell whether a value is of a flag type; a boolean is no number. */
export function fits(value: unknown, kind: Kind): boolean {
  return FITS[kind](value);
}

/** What flags refer to. */
export interface Surroundings {
  readonly metadata: Metadata;
  readonly killed: boolean;
  readonly groups: ReadonlyMap<string, boolean>;
  readonly unitTypes: ReadonlySet<string>;
  readonly segments: Segments;
  readonly holdouts: Table;
  readonly experiments: Experiments;
  readonly prerequisites: Prerequisites;
  /** Return the variant that another flag serves. */
  readonly ask: (flagKey: string, context: Table) => string | null;
}

/** What is kept of a flag. */
export interface Flag {
  readonly key: string;
  readonly kind: Kind | null;
  readonly metadata: Metadata;
  /** The answer that no context can change, of a killed or faulty flag. */
  readonly fixed: Decision | null;
  readonly steps: readonly Step[];
  readonly last: Decision;
  readonly problems: readonly Problem[];
}

export function readFlag(key: string, node: unknown, around: Surroundings): Flag {
  return new FlagReader(key, node, around).read();
}

class FlagReader {
  readonly #problems: Problem[] = [];
  readonly #reader: Reader;
  readonly #kind: Kind | null;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(
    readonly key: string,
    node: unknown,
    readonly around: Surroundings,
  ) {
    this.#reader = new Reader(node, `/flags/${key}`, this.#problems, [...MEMBERS, "holdouts", "rules"]);
    this.#kind = this.#readKind();
    this.#values = this.#readValues();
  }

  read(): Flag {
    const { key } = this;
    const metadata = this.around.metadata;
    const [off, fallback] = [this.#variant(this.#reader, "off"), this.#variant(this.#reader, "default")];
    const level = this.#readKillLevel();
    const before = this.#readPrerequisites(off);
    const after = [...this.#readOverrides(), ...this.#readHoldouts(), ...this.#readExperiments(), ...this.#readRules()];
    const isStatic = before.length + after.length === 0;
    const last = this.#answer(fallback, isStatic ? "STATIC" : "DEFAULT", { step: "default" });
    const fixed = level === null ? this.#faulty(fallback) : this.#killed(off, level);
    const steps = [...before, this.#link(), ...after];
    return { key, kind: this.#kind, metadata, fixed, steps, last, problems: this.#problems };
  }

  #answer(variant: string, reason: Reason, extra: Metadata): Decision {
    const found = { key: variant, value: this.#values.get(variant) };
    return answer(this.key, found, reason, { ...this.around.metadata, ...extra });
  }

  #killed(off: string, level: string): Decision {
    const isUsable = this.#values.has(off);
    if (isUsable) return this.#answer(off, "DISABLED", { step: "kill", kill_level: level });
    return failure(this.key, "PARSE_ERROR", this.#told(), this.around.metadata);
  }

  #faulty(fallback: string): Decision | null {
    if (this.#problems.length === 0) return null;
    const isMalformed = this.#problems.some((problem) => problem.code === "PARSE_ERROR");
    const variant = this.#values.has(fallback) ? { key: fallback, value: this.#values.get(fallback) } : undefined;
    const code = isMalformed ? "PARSE_ERROR" : "GENERAL";
    return failure(this.key, code, this.#told(), this.around.metadata, variant);
  }

  #told(): string {
    return this.#problems.map((problem) => `${problem.path}: ${problem.message}`).join("; ");
  }

  #variant(reader: Reader, member: string): string {
    const key = reader.text(member);
    if (key !== "" && !this.#values.has(key)) reader.senseless(member, "is no usable variant");
    return key;
  }

  #readKind(): Kind | null {
    const kind = this.#reader.text("type");
    if (Object.hasOwn(FITS, kind)) return kind as Kind;
    if (kind !== "") this.#reader.malformed("type", `must be one of ${Object.keys(FITS).join(", ")}`);
    return null;
  }

  #readValues(): ReadonlyMap<string, unknown> {
    const [variants, kind] = [Object.entries(this.#reader.table("variants")), this.#kind];
    if (variants.length === 0) this.#reader.malformed("variants", "must hold at least one variant");
    if (kind === null) return new Map();
    const usable = variants.filter(([, value]) => fits(value, kind));
    if (usable.length < variants.length) this.#reader.malformed("variants", `must be of type ${kind}`);
    return new Map(usable);
  }

  #readKillLevel(): string | null {
    const groups = this.#reader.texts("groups");
    const killed = this.#reader.truth("killed");
    for (const group of groups) {
      if (!this.around.groups.has(group)) this.#reader.senseless("groups", `there is no sound group "${group}"`);
    }
    if (this.around.killed) return "environment";
    if (groups.some((group) => this.around.groups.get(group) === true)) return "group";
    return killed ? "flag" : null;
  }

  #readPrerequisites(off: string): Step[] {
    const { ask, prerequisites } = this.around;
    prerequisites.check(this.key, this.#reader);
    return this.#entries("prerequisites").map(({ node, path }) => {
      const { key, wanted } = prerequisites.read(new Reader(node, path, this.#problems, ["flag", "variants"]));
      const refused = this.#answer(off, "DEFAULT", { step: "prerequisite", prerequisite: key });
      return (_units, _attributes, context) => {
        const variant = ask(key, context);
        return variant !== null && wanted.has(variant) ? null : refused;
      };
    });
  }

  #link(): Step {
    return overrideByLink(this.key, (variant) => {
      return this.#values.has(variant) ? this.#answer(variant, "TARGETING_MATCH", OVERRIDDEN) : null;
    });
  }

  #readOverrides(): Step[] {
    return this.#entries("overrides").map(({ node, path }) => {
      const bySegment = isObject(node) && Object.hasOwn(node, "segment");
      const known = bySegment ? ["variant", "segment"] : ["variant", "unit_type", "units"];
      const reader = new Reader(node, path, this.#problems, known);
      const decision = this.#answer(this.#variant(reader, "variant"), "TARGETING_MATCH", OVERRIDDEN);
      if (!bySegment) return overrideByUnit(decision, readUnitType(reader, this.around.unitTypes), readUnits(reader));
      const members = this.around.segments.condition(reader.text("segment"), reader);
      return forEligible(members?.test ?? null, served(decision));
    });
  }

  #readHoldouts(): Step[] {
    return this.#entries("holdouts").flatMap(({ node, path }) => {
      const reader = new Reader(node, path, this.#problems, ["holdout", "baseline"]);
      const key = reader.text("holdout");
      const baseline = this.#answer(this.#variant(reader, "baseline"), "SPLIT", { step: "holdout" });
      const holdout = readHoldout(key, this.around);
      if (!holdout) reader.senseless("holdout", `there is no sound holdout "${key}"`);
      return holdout ? [holdoutStep(holdout, baseline)] : [];
    });
  }

  /** Running experiments before those that serve control alone, launch layers after others. */
  #readExperiments(): Step[] {
    const found = this.#reader.texts("experiments").flatMap((key) => this.#experiment(key));
    const order = (one: Experiment): number => 2 * Number(one.layer.isLaunch) + Number(one.service !== "split");
    const ordered = found.sort((one, other) => order(one) - order(other));
    return ordered.map((experiment) => experimentStep(experiment, this.#armAnswers(experiment)));
  }

  #experiment(key: string): Experiment[] {
    const experiment = this.around.experiments.experiment(key);
    const isSet = (values: Table): boolean => this.#values.has(String(own(values, this.key)));
    if (experiment?.arms.every((arm) => isSet(arm.values))) return [experiment];
    this.#reader.senseless("experiments", `there is no sound experiment "${key}" that sets this flag`);
    return [];
  }

  #armAnswers(experiment: Experiment): ReadonlyMap<string, Decision> {
    const { service, clusterType, arms } = experiment;
    const variantOf = (values: Table): string => String(own(values, this.key));
    const differs = new Set(arms.map((arm) => variantOf(arm.values))).size > 1;
    const answers = arms.map((arm) => {
      const extra = {
        step: "experiment",
        "experiment.key": experiment.key,
        "experiment.iteration": experiment.iteration,
        "experiment.arm": arm.key,
        "experiment.unit_type": experiment.unitType,
        "experiment.layer": experiment.layer.key,
        "experiment.active": service === "split",
        ...(service === "killed" ? { kill_level: "experiment" } : {}),
        ...(service === "split" ? { "experiment.differs": differs } : {}),
        ...(clusterType === null ? {} : { "experiment.cluster_type": clusterType }),
      };
      return [arm.key, this.#answer(variantOf(arm.values), REASONS[service], extra)] as const;
    });
    return new Map(answers);
  }

  #readRules(): Step[] {
    return this.#entries("rules").map(({ node, path }) => {
      const member = isObject(node) && Object.hasOwn(node, "rollout") ? "rollout" : "serve";
      const reader = new Reader(node, path, this.#problems, ["id", "eligibility", member]);
      const extra = { step: "rule", rule: reader.text("id") };
      const eligible = readEligibility(reader, this.around.segments);
      if (member === "rollout") return forEligible(eligible, this.#rollout(reader, extra));
      return forEligible(eligible, served(this.#answer(this.#variant(reader, "serve"), "TARGETING_MATCH", extra)));
    });
  }

  #rollout(rule: Reader, extra: Metadata): Step {
    const node = rule.get("rollout");
    const hasRings = isObject(node) && Object.hasOwn(node, "rings");
    const known = ["variant", "unit_type", "salt", hasRings ? "rings" : "parts_per_million"];
    const body = new Reader(node, `${rule.path}/rollout`, this.#problems, known);
    const salt = body.salt("salt");
    const unitType = readUnitType(body, this.around.unitTypes);
    const variant = this.#variant(body, "variant");
    if (hasRings) return rolloutStep(this.#rings(body, variant, extra), unitType, salt);
    const parts = body.integer("parts_per_million", 0, PARTS);
    return rolloutStep([{ eligible: null, parts, decision: this.#answer(variant, "SPLIT", extra) }], unitType, salt);
  }

  #rings(body: Reader, variant: string, extra: Metadata): Ring[] {
    const keys = new Set<string>();
    const rings = body.array("rings").map((node, index) => {
      const path = `${body.path}/rings/${index}`;
      const reader = new Reader(node, path, this.#problems, ["id", "eligibility", "parts_per_million"]);
      const key = reader.text("id");
      if (keys.has(key)) reader.senseless("id", `there is a ring "${key}" before`);
      keys.add(key);
      const eligible = readEligibility(reader, this.around.segments);
      const decision = this.#answer(variant, "SPLIT", { ...extra, ring: key });
      return { eligible, parts: reader.integer("parts_per_million", 0, PARTS), decision };
    });
    if (rings.length === 0) body.malformed("rings", "must hold at least one ring");
    return rings;
  }

  #entries(member: string): { node: unknown; path: string }[] {
    return this.#reader.array(member).map((node, index) => ({ node, path: `${this.#reader.path}/${member}/${index}` }));
  }
}

/** Return null when anything about the holdout is wrong. */
function readHoldout(key: string, around: Surroundings): Holdout | null {
  if (!Object.hasOwn(around.holdouts, key)) return null;
  const known = ["season", "salt", "unit_type", "parts_per_million"];
  const reader = new Reader(own(around.holdouts, key), `/holdouts/${key}`, [], known);
  const unitType = readUnitType(reader, around.unitTypes);
  const season = reader.integer("season", 1, Number.MAX_SAFE_INTEGER);
  const gate = readGate(reader);
  return reader.problems.length > 0 ? null : { key, season, unitType, gate };
}
