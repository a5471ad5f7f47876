/** Reads one flag and compiles it into its steps. A fault spoils this flag and no other. */
import { UNIT_MISSING, experimentStep, passes, readEligibility } from "./experiments.mjs";
import { PARTS, canonicalUnit } from "./hashing.mjs";
import { holdoutStep, told } from "./holdouts.mjs";
import { readUnitType } from "./layers.mjs";
import { GENERAL, PARSE_ERROR, Reader, isObject, own, readUnits } from "./reading.mjs";

const MEMBERS = ["type", "variants", "off", "default", "killed", "groups", "prerequisites", "overrides", "experiments"];
const REASONS = { split: "SPLIT", stopped: "DEFAULT", killed: "DISABLED" };
const KINDS = {
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number" && Number.isFinite(value),
  object: (value) => typeof value === "object" && value !== null,
};

/** @returns {object} an error without a variant: the code default takes the place of its value */
export function failure(flagKey, code, message, metadata) {
  return {
    flagKey,
    value: null,
    variant: null,
    reason: "ERROR",
    errorCode: code,
    errorMessage: message,
    metadata: { ...metadata, step: "error" },
    enrolment: null,
    holdouts: [],
  };
}

/** @returns {(context: unknown, codeDefault: unknown) => object} */
export function readFlag(key, node, around) {
  const flag = new FlagReader(key, node, around);
  const { off, steps, fallback, kind, values, metadata, problems } = flag;
  const message = problems.map((problem) => `${problem.path}: ${problem.message}`).join("; ");
  const code = problems.some((problem) => problem.code === PARSE_ERROR) ? PARSE_ERROR : GENERAL;
  const level = flag.killLevel;
  let fixed = null;
  if (level !== null) {
    const usable = Object.hasOwn(values, off);
    fixed = usable
      ? flag.answer(off, "DISABLED", { step: "kill", kill_level: level })
      : failure(key, PARSE_ERROR, message, metadata);
  } else if (problems.length > 0) {
    fixed = failure(key, code, message, metadata);
    if (Object.hasOwn(values, fallback)) fixed = { ...fixed, variant: fallback, value: values[fallback] };
  }
  const reason = flag.isStatic ? "STATIC" : "DEFAULT";
  const last = fixed ?? flag.answer(fallback, reason, { step: "default" });
  const decide = (context) => fixed ?? decided(steps, context, last, key, metadata);
  return (context, codeDefault) => {
    const isOther = kind !== null && codeDefault !== null && codeDefault !== undefined && !KINDS[kind](codeDefault);
    const decision = isOther
      ? failure(key, "TYPE_MISMATCH", `the flag is of type ${kind}`, metadata)
      : decide(context);
    if (decision.variant === null) return { ...decision, value: codeDefault };
    return kind === "object" ? { ...decision, value: structuredClone(decision.value) } : decision;
  };
}

function decided(steps, context, last, key, metadata) {
  const units = isObject(context) ? (own(context, "units") ?? {}) : null;
  const attributes = isObject(context) ? (own(context, "attributes") ?? {}) : null;
  if (!isObject(units) || !isObject(attributes)) {
    return failure(key, "INVALID_CONTEXT", "a context is an object with units and attributes", metadata);
  }
  const unitOf = (unitType) => own(units, unitType);
  const notes = [];
  for (const step of steps) {
    const found = step(unitOf, attributes, context);
    if (found === null) continue;
    if (typeof found !== "symbol" && !found.place) return noted(found, notes);
    notes.push(found);
  }
  return noted(last, notes);
}

/** Keep what steps before noted: the first reason why one passed the unit over, and places in holdouts. */
function noted(decision, notes) {
  if (notes.length === 0) return decision;
  const skip = notes.find((note) => typeof note === "symbol");
  const places = notes.flatMap((note) => note.place ?? []);
  const isTold = places.length > 0 && decision.holdouts.length === 0;
  const metadata = {
    ...decision.metadata,
    ...(skip ? { skipped: skip.description } : {}),
    ...(isTold ? told(places[0]) : {}),
  };
  return { ...decision, metadata, holdouts: [...places, ...decision.holdouts] };
}

class FlagReader {
  constructor(key, node, around) {
    this.key = key;
    this.around = around;
    this.metadata = around.metadata;
    this.problems = [];
    this.reader = new Reader(node, `/flags/${key}`, this.problems, [...MEMBERS, "holdouts", "rules"]);
    this.kind = this.#kind();
    this.values = this.#values();
    this.off = this.variant(this.reader, "off");
    this.fallback = this.variant(this.reader, "default");
    this.killLevel = this.#killLevel();
    const before = this.#prerequisites();
    const after = [...this.#overrides(), ...this.#holdouts(), ...this.#experiments(), ...this.#rules()];
    this.isStatic = before.length + after.length === 0;
    this.steps = [...before, this.#link(), ...after];
  }

  answer(variant, reason, extra) {
    return {
      flagKey: this.key,
      value: own(this.values, variant),
      variant,
      reason,
      errorCode: null,
      errorMessage: null,
      metadata: { ...this.metadata, ...extra },
      enrolment: null,
      holdouts: [],
    };
  }

  variant(reader, member) {
    const key = reader.text(member);
    if (key !== "" && !Object.hasOwn(this.values, key)) reader.senseless(member, "is no usable variant");
    return key;
  }

  #kind() {
    const kind = this.reader.text("type");
    if (Object.hasOwn(KINDS, kind)) return kind;
    if (kind !== "") this.reader.malformed("type", `must be one of ${Object.keys(KINDS).join(", ")}`);
    return null;
  }

  #values() {
    const variants = Object.entries(this.reader.table("variants"));
    if (variants.length === 0) this.reader.malformed("variants", "must hold at least one variant");
    if (this.kind === null) return {};
    const usable = variants.filter(([, value]) => KINDS[this.kind](value));
    if (usable.length < variants.length) this.reader.malformed("variants", `must be of type ${this.kind}`);
    return Object.fromEntries(usable);
  }

  #killLevel() {
    const { around, reader } = this;
    const groups = reader.texts("groups");
    const killed = reader.truth("killed");
    for (const group of groups) {
      if (!around.groups.has(group)) reader.senseless("groups", `there is no sound group "${group}"`);
    }
    if (around.killed) return "environment";
    if (groups.some((group) => around.groups.get(group) === true)) return "group";
    return killed ? "flag" : null;
  }

  #prerequisites() {
    this.around.prerequisites.check(this.key, this.reader);
    return this.reader.array("prerequisites").map((node, index) => {
      const reader = new Reader(node, `${this.reader.path}/prerequisites/${index}`, this.problems, ["flag", "variants"]);
      const { key, wanted } = this.around.prerequisites.read(reader);
      const answer = this.answer(this.off, "DEFAULT", { step: "prerequisite", prerequisite: key });
      return (_units, _attributes, context) => (wanted.has(this.around.ask(key, context)) ? null : answer);
    });
  }

  /** A context may bring overrides along: {flag key: variant key}, such as from a signed link to a preview. */
  #link() {
    return (_units, _attributes, context) => {
      const overrides = own(context, "overrides");
      const variant = isObject(overrides) ? own(overrides, this.key) : undefined;
      if (typeof variant !== "string" || !Object.hasOwn(this.values, variant)) return null;
      return this.answer(variant, "TARGETING_MATCH", { step: "override", "experiment.arm": "override" });
    };
  }

  #overrides() {
    return this.reader.array("overrides").map((node, index) => {
      const bySegment = isObject(node) && Object.hasOwn(node, "segment");
      const known = bySegment ? ["variant", "segment"] : ["variant", "unit_type", "units"];
      const reader = new Reader(node, `${this.reader.path}/overrides/${index}`, this.problems, known);
      const extra = { step: "override", "experiment.arm": "override" };
      const answer = this.answer(this.variant(reader, "variant"), "TARGETING_MATCH", extra);
      if (bySegment) {
        const member = this.around.segments.condition(reader.text("segment"), reader);
        return (unitOf, attributes) => (member.test(attributes, unitOf) ? answer : null);
      }
      const unitType = readUnitType(reader, this.around.unitTypes);
      const units = readUnits(reader);
      return (unitOf) => (units.has(canonicalUnit(unitOf(unitType))) ? answer : null);
    });
  }

  #holdouts() {
    return this.reader.array("holdouts").map((node, index) => {
      const path = `${this.reader.path}/holdouts/${index}`;
      const reader = new Reader(node, path, this.problems, ["holdout", "baseline"]);
      const key = reader.text("holdout");
      const baseline = this.answer(this.variant(reader, "baseline"), "SPLIT", { step: "holdout" });
      const holdout = this.around.holdouts.get(key);
      if (!holdout) reader.senseless("holdout", `there is no sound holdout "${key}"`);
      return holdout && holdoutStep(holdout, baseline);
    });
  }

  /** Running experiments before those that serve control alone, launch layers after others. */
  #experiments() {
    const found = this.reader.texts("experiments").map((key) => this.#experiment(key));
    const order = (entry) => 2 * Number(entry.isLaunch) + Number(entry.service !== "split");
    const sound = found.filter((entry) => entry !== null).sort((one, other) => order(one) - order(other));
    return sound.map((entry) => entry.step);
  }

  #experiment(key) {
    const experiment = this.around.experiments.get(key);
    const isSet = (arm) => Object.hasOwn(this.values, own(arm.values, this.key) ?? "");
    if (!experiment || !experiment.arms.every(isSet)) {
      this.reader.senseless("experiments", `there is no sound experiment "${key}" that sets this flag`);
      return null;
    }
    const { service, clusterType } = experiment;
    const differs = new Set(experiment.arms.map((arm) => arm.values[this.key])).size > 1;
    const answers = experiment.arms.map((arm) => [
      arm.key,
      this.answer(arm.values[this.key], REASONS[service], {
        step: "experiment",
        "experiment.key": key,
        "experiment.iteration": experiment.iteration,
        "experiment.arm": arm.key,
        "experiment.unit_type": experiment.unitType,
        "experiment.layer": experiment.layerKey,
        "experiment.active": service === "split",
        ...(service === "killed" ? { kill_level: "experiment" } : {}),
        ...(service === "split" ? { "experiment.differs": differs } : {}),
        ...(clusterType === null ? {} : { "experiment.cluster_type": clusterType }),
      }),
    ]);
    return { service, isLaunch: experiment.layer.isLaunch, step: experimentStep(experiment, new Map(answers)) };
  }

  #rules() {
    return this.reader.array("rules").map((node, index) => {
      const member = isObject(node) && Object.hasOwn(node, "rollout") ? "rollout" : "serve";
      const path = `${this.reader.path}/rules/${index}`;
      const reader = new Reader(node, path, this.problems, ["id", "eligibility", member]);
      const extra = { step: "rule", rule: reader.text("id") };
      const eligible = readEligibility(reader, this.around.segments);
      if (member === "rollout") return this.#rollout(reader, extra, eligible);
      const answer = this.answer(this.variant(reader, "serve"), "TARGETING_MATCH", extra);
      return (unitOf, attributes) => (eligible(attributes, unitOf) ? answer : null);
    });
  }

  #rollout(rule, extra, eligible) {
    const node = rule.get("rollout");
    const hasRings = isObject(node) && Object.hasOwn(node, "rings");
    const known = ["variant", "unit_type", "salt", hasRings ? "rings" : "parts_per_million"];
    const body = new Reader(node, `${rule.path}/rollout`, this.problems, known);
    const salt = body.salt("salt");
    const unitType = readUnitType(body, this.around.unitTypes);
    const variant = this.variant(body, "variant");
    const rings = hasRings ? this.#rings(body) : [{ parts: body.integer("parts_per_million", 0, PARTS) }];
    for (const ring of rings) {
      ring.answer = this.answer(variant, "SPLIT", { ...extra, ...(ring.key ? { ring: ring.key } : {}) });
    }
    return (unitOf, attributes) => {
      if (!eligible(attributes, unitOf)) return null;
      const unit = canonicalUnit(unitOf(unitType));
      if (unit === null) return UNIT_MISSING;
      const holds = (ring) => passes({ salt, parts: ring.parts }, unit) && (ring.eligible?.(attributes, unitOf) ?? true);
      return rings.find(holds)?.answer ?? null;
    };
  }

  #rings(body) {
    const keys = new Set();
    const rings = body.array("rings").map((node, index) => {
      const path = `${body.path}/rings/${index}`;
      const reader = new Reader(node, path, this.problems, ["id", "eligibility", "parts_per_million"]);
      const key = reader.text("id");
      if (keys.has(key)) reader.senseless("id", `there is a ring "${key}" before`);
      keys.add(key);
      const eligible = readEligibility(reader, this.around.segments);
      return { key, eligible, parts: reader.integer("parts_per_million", 0, PARTS) };
    });
    if (rings.length === 0) body.malformed("rings", "must hold at least one ring");
    return rings;
  }
}
