/** Reads one flag and compiles it into its steps. A fault spoils this flag and no other. */
import { UNIT_MISSING, experimentStep, passes, readEligibility, readGate, readUnitType } from "./experiments.mjs";
import { canonicalUnit } from "./hashing.mjs";
import { GENERAL, PARSE_ERROR, Reader, isObject, own } from "./reading.mjs";

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
  let skipped = false;
  for (const step of steps) {
    const decision = step(unitOf, attributes, context);
    if (decision === UNIT_MISSING) skipped = true;
    else if (decision !== null) return skipped ? noted(decision) : decision;
  }
  return skipped ? noted(last) : last;
}

const noted = (decision) => ({ ...decision, metadata: { ...decision.metadata, skipped: "unit_missing" } });

class FlagReader {
  constructor(key, node, around) {
    this.key = key;
    this.around = around;
    this.metadata = around.metadata;
    this.problems = [];
    this.reader = new Reader(node, `/flags/${key}`, this.problems, [...MEMBERS, "rules"]);
    this.kind = this.#kind();
    this.values = this.#values();
    this.off = this.variant(this.reader, "off");
    this.fallback = this.variant(this.reader, "default");
    this.killLevel = this.#killLevel();
    const before = this.#prerequisites();
    const after = [...this.#overrides(), ...this.#experiments(), ...this.#rules()];
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
        return (_, attributes) => (member.test(attributes) ? answer : null);
      }
      const unitType = readUnitType(reader, this.around.unitTypes);
      const units = new Set(reader.array("units").map(canonicalUnit));
      if (reader.get("units") === undefined || units.has(null)) reader.malformed("units", "must be unit ids");
      return (unitOf) => (units.has(canonicalUnit(unitOf(unitType))) ? answer : null);
    });
  }

  #experiments() {
    const found = this.reader.texts("experiments").map((key) => this.#experiment(key));
    const sound = found.filter((entry) => entry !== null);
    const running = sound.filter((entry) => entry.service === "split");
    const others = sound.filter((entry) => entry.service !== "split");
    return [...running, ...others].map((entry) => entry.step);
  }

  #experiment(key) {
    const experiment = this.around.experiments.get(key);
    const isSet = (arm) => Object.hasOwn(this.values, own(arm.values, this.key) ?? "");
    if (!experiment || !experiment.arms.every(isSet)) {
      this.reader.senseless("experiments", `there is no sound experiment "${key}" that sets this flag`);
      return null;
    }
    const { service } = experiment;
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
      }),
    ]);
    return { service, step: experimentStep(experiment, new Map(answers)) };
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
      return (_, attributes) => (eligible(attributes) ? answer : null);
    });
  }

  #rollout(rule, extra, eligible) {
    const known = ["variant", "unit_type", "salt", "parts_per_million"];
    const gate = readGate(rule.get("rollout"), `${rule.path}/rollout`, this.problems, known);
    const answer = this.answer(this.variant(gate.reader, "variant"), "SPLIT", extra);
    const unitType = readUnitType(gate.reader, this.around.unitTypes);
    return (unitOf, attributes) => {
      if (!eligible(attributes)) return null;
      const unit = canonicalUnit(unitOf(unitType));
      if (unit === null) return UNIT_MISSING;
      return passes(gate, unit) ? answer : null;
    };
  }
}
