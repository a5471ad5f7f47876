/** Compiles conditions into predicates over attributes: two-valued, strictly typed (spec/evaluation.md). */
import { milliseconds } from "./instants.mjs";
import { readUnitType } from "./layers.mjs";
import { hashedMembership, namedMembership } from "./members.mjs";
import { innerFirst } from "./ordering.mjs";
import { GENERAL, PARSE_ERROR, Reader, isObject, own, readUnits } from "./reading.mjs";
import { compareVersions, version } from "./versions.mjs";

const LARGEST_DEPTH = 16;
const LARGEST_SIZE = 10_000;
const FORMS = ["all", "any", "not", "segment", "members", "attribute"];
const CLAUSE = ["attribute", "operator", "value", "values"];

/** The named conditions of a snapshot; an entry is {test, depth, size}, or null when it is faulty. */
export class Segments {
  constructor(definitions, unitTypes, blobs) {
    this.definitions = definitions;
    this.unitTypes = unitTypes;
    this.blobs = blobs;
    this.compiled = new Map();
    const inner = Object.entries(definitions).map(([name, node]) => [name, [...named(node)]]);
    for (const name of innerFirst(new Map(inner))) {
      const problems = [];
      const made = compileCondition(definitions[name], `/segments/${name}`, this, problems);
      this.compiled.set(name, problems.length > 0 ? null : made);
    }
  }

  condition(name, reader) {
    if (name === "") return null;
    if (!Object.hasOwn(this.definitions, name)) reader.senseless("segment", `there is no segment "${name}"`);
    else if (!this.compiled.get(name)) reader.senseless("segment", `segment "${name}" is faulty`);
    return this.compiled.get(name) ?? null;
  }
}

function named(node) {
  const names = new Set();
  const pending = [node];
  while (pending.length > 0) {
    const part = pending.pop();
    if (typeof part !== "object" || part === null) continue;
    if (isObject(part) && typeof own(part, "segment") === "string") names.add(part.segment);
    pending.push(...Object.values(part));
  }
  return names;
}

/** @returns {{test: Function, depth: number, size: number} | null} null after noting a fault */
export function compileCondition(node, path, segments, problems, level = 1) {
  if (level > LARGEST_DEPTH) {
    problems.push({ path, message: `nests deeper than ${LARGEST_DEPTH} levels`, code: GENERAL });
    return null;
  }
  const forms = isObject(node) ? FORMS.filter((form) => Object.hasOwn(node, form)) : [];
  if (forms.length !== 1) {
    problems.push({ path, message: `must have exactly one of ${FORMS.join(", ")}`, code: PARSE_ERROR });
    return null;
  }
  const [form] = forms;
  if (form === "attribute") return clause(new Reader(node, path, problems, CLAUSE));
  const reader = new Reader(node, path, problems, [form]);
  if (form === "segment") {
    const inner = segments.condition(reader.text("segment"), reader);
    return inner && nested(inner.test, [inner], level, reader);
  }
  if (form === "members") return members(reader, segments);
  const parts = form === "not" ? [node.not] : reader.array(form);
  const compiled = parts.map((part, index) =>
    compileCondition(part, `${path}/${form}/${index}`, segments, problems, level + 1),
  );
  if (compiled.includes(null)) return null;
  return nested(COMBINATIONS[form](compiled.map((part) => part.test)), compiled, level, reader);
}

function nested(test, inner, level, reader) {
  const depth = 1 + inner.reduce((most, part) => Math.max(most, part.depth), 0);
  const size = 1 + inner.reduce((sum, part) => sum + part.size, 0);
  if (level - 1 + depth > LARGEST_DEPTH) reader.senseless(null, `nests deeper than ${LARGEST_DEPTH} levels`);
  else if (size > LARGEST_SIZE) reader.senseless(null, `has more than ${LARGEST_SIZE} parts, segments included`);
  else return { test, depth, size };
  return null;
}

function members(outer, segments) {
  const node = outer.get("members");
  const byName = isObject(node) && Object.hasOwn(node, "units");
  const known = byName ? ["unit_type", "units"] : ["unit_type", "blob", "salt"];
  const reader = new Reader(node, `${outer.path}/members`, outer.problems, known);
  const faults = outer.problems.length;
  const unitType = readUnitType(reader, segments.unitTypes);
  if (byName) {
    const units = readUnits(reader);
    return outer.problems.length > faults ? null : { test: namedMembership(unitType, units), depth: 1, size: 1 };
  }
  const [address, salt] = [reader.text("blob"), reader.salt("salt")];
  const blob = segments.blobs.get(address);
  if (address !== "" && !blob) reader.senseless("blob", "is no list of members beside the snapshot");
  if (!isObject(node) || outer.problems.length > faults) return null;
  return { test: hashedMembership(unitType, salt, blob), depth: 1, size: 1 };
}

const COMBINATIONS = {
  all: (tests) => (attributes, unitOf) => tests.every((test) => test(attributes, unitOf)),
  any: (tests) => (attributes, unitOf) => tests.some((test) => test(attributes, unitOf)),
  not: ([test]) => (attributes, unitOf) => !test(attributes, unitOf),
};

function clause(reader) {
  const faults = reader.problems.length;
  const attribute = reader.text("attribute");
  const operator = reader.text("operator");
  const build = own(OPERATORS, operator);
  if (operator !== "" && !build) reader.senseless("operator", `"${operator}" is no operator`);
  const holds = build?.(reader);
  if (!holds || reader.problems.length > faults) return null;
  return { test: (attributes) => holds(own(attributes, attribute)), depth: 1, size: 1 };
}

const isExact = (value) => typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER;

/** Take the constant of an operator; `wanted` says what it must be. */
function constant(reader, member, fits, wanted) {
  const other = member === "value" ? "values" : "value";
  if (Object.hasOwn(reader.members, other)) reader.senseless(other, "does not belong to this operator");
  const value = reader.get(member);
  if (!fits(value)) reader.senseless(member, `must be ${wanted}`);
  return value;
}

function equals(reader) {
  const fits = (value) => ["string", "boolean"].includes(typeof value) || isExact(value);
  const wanted = constant(reader, "value", fits, "a string, a boolean or an exact number");
  return (value) => value === wanted;
}

function among(reader) {
  const ofStrings = (values) => values.every((value) => typeof value === "string");
  const fits = (values) => Array.isArray(values) && (ofStrings(values) || values.every(isExact));
  const wanted = new Set(constant(reader, "values", fits, "all strings, or all exact numbers") ?? []);
  return (value) => wanted.has(value);
}

const number = (compare) => (reader) => {
  const limit = constant(reader, "value", isExact, "an exact number");
  return (value) => typeof value === "number" && compare(value, limit);
};

const text = (matches) => (reader) => {
  const fits = (values) => Array.isArray(values) && values.every((value) => typeof value === "string");
  const parts = constant(reader, "values", fits, "an array of strings") ?? [];
  return (value) => typeof value === "string" && parts.some((part) => matches(value, part));
};

/** Order what both sides parse to; `compare` gives a number below, at or above zero. */
const parsed = (parse, compare, wanted) => (accepts) => (reader) => {
  const read = (value) => (typeof value === "string" ? parse(value) : null);
  const limit = read(constant(reader, "value", (value) => read(value) !== null, wanted));
  return (value) => {
    const own = parse(value);
    return own !== null && accepts(compare(own, limit));
  };
};

const semver = parsed(version, compareVersions, "a version such as 1.4.0");
const instant = parsed(milliseconds, (one, other) => one - other, "an RFC 3339 date");

function isSet(reader) {
  constant(reader, "value", (value) => value === undefined, "absent");
  return (value) => value !== undefined && value !== null;
}

const OPERATORS = {
  equals,
  in: among,
  greater: number((value, limit) => value > limit),
  greater_or_equal: number((value, limit) => value >= limit),
  less: number((value, limit) => value < limit),
  less_or_equal: number((value, limit) => value <= limit),
  starts_with: text((value, part) => value.startsWith(part)),
  ends_with: text((value, part) => value.endsWith(part)),
  contains: text((value, part) => value.includes(part)),
  semver_equals: semver((order) => order === 0),
  semver_greater: semver((order) => order > 0),
  semver_greater_or_equal: semver((order) => order >= 0),
  semver_less: semver((order) => order < 0),
  semver_less_or_equal: semver((order) => order <= 0),
  before: instant((order) => order < 0),
  after: instant((order) => order > 0),
  is_set: isSet,
};
