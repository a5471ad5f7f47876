/** Compiles conditions into predicates over attributes and units: two-valued, strictly typed. */
import { hashedMembership, namedMembership, type Members, type Test } from "./members.js";
import { OPERATORS } from "./operators.js";
import { innerFirst } from "./ordering.js";
import { Reader, readUnits, readUnitType, type Problem } from "./reading.js";
import { isObject, memberOf, own, type Table } from "./values.js";

const LARGEST_DEPTH = 16;
const LARGEST_SIZE = 10_000;
const FORMS = ["all", "any", "not", "segment", "members", "attribute"];
const CLAUSE = ["attribute", "operator", "value", "values"];

/** A sound condition, its levels, and its nodes with those of its segments. */
export interface Condition {
  readonly test: Test;
  readonly depth: number;
  readonly size: number;
}

/** The named conditions of a snapshot. */
export class Segments {
  readonly #compiled = new Map<string, Condition | null>();

  constructor(
    readonly definitions: Table,
    readonly unitTypes: ReadonlySet<string>,
    readonly blobs: ReadonlyMap<string, Members>,
  ) {
    const inner = Object.entries(definitions).map(([name, node]) => [name, [...named(node)]] as const);
    for (const name of innerFirst(new Map(inner))) {
      const problems: Problem[] = [];
      const made = compileCondition(own(definitions, name), `/segments/${name}`, this, problems);
      this.#compiled.set(name, problems.length > 0 ? null : made);
    }
  }

  /** Return a sound segment, or null after noting what is wrong. */
  condition(name: string, reader: Reader): Condition | null {
    if (name === "") return null;
    const found = this.#compiled.get(name) ?? null;
    if (!Object.hasOwn(this.definitions, name)) reader.senseless("segment", `there is no segment "${name}"`);
    else if (found === null) reader.senseless("segment", `segment "${name}" is faulty`);
    return found;
  }
}

/** The test of an "eligibility" member; null admits everybody. */
export function readEligibility(reader: Reader, segments: Segments): Test | null {
  const node = reader.get("eligibility");
  if (node === undefined || node === null) return null;
  return compileCondition(node, `${reader.path}/eligibility`, segments, reader.problems)?.test ?? null;
}

function named(node: unknown): Set<string> {
  const names = new Set<string>();
  const pending: unknown[] = [node];
  while (pending.length > 0) {
    const part = pending.pop();
    if (typeof part !== "object" || part === null) continue;
    const name = isObject(part) ? own(part, "segment") : undefined;
    if (typeof name === "string") names.add(name);
    pending.push(...Object.values(part));
  }
  return names;
}

/** Return null after noting a fault. */
export function compileCondition(
  node: unknown,
  path: string,
  segments: Segments,
  problems: Problem[],
  level = 1,
): Condition | null {
  if (level > LARGEST_DEPTH) {
    problems.push({ path, message: `nests deeper than ${LARGEST_DEPTH} levels`, code: "GENERAL" });
    return null;
  }
  const forms = isObject(node) ? FORMS.filter((form) => Object.hasOwn(node, form)) : [];
  const [form] = forms;
  if (forms.length !== 1 || form === undefined) {
    problems.push({ path, message: `must have exactly one of ${FORMS.join(", ")}`, code: "PARSE_ERROR" });
    return null;
  }
  if (form === "attribute") return clause(new Reader(node, path, problems, CLAUSE));
  const reader = new Reader(node, path, problems, [form]);
  if (form === "members") return members(reader, segments);
  if (form === "segment") {
    const inner = segments.condition(reader.text("segment"), reader);
    return inner && nested(inner.test, [inner], level, reader);
  }
  const parts = form === "not" ? [reader.get("not")] : reader.array(form);
  const compiled = parts.map((part, index) =>
    compileCondition(part, `${path}/${form}/${index}`, segments, problems, level + 1),
  );
  const sound = compiled.filter((part) => part !== null);
  if (sound.length < compiled.length) return null;
  return nested(
    combined(
      form,
      sound.map((part) => part.test),
    ),
    sound,
    level,
    reader,
  );
}

function nested(test: Test, inner: readonly Condition[], level: number, reader: Reader): Condition | null {
  const depth = 1 + inner.reduce((most, part) => Math.max(most, part.depth), 0);
  const size = 1 + inner.reduce((sum, part) => sum + part.size, 0);
  if (level - 1 + depth > LARGEST_DEPTH) reader.senseless(null, `nests deeper than ${LARGEST_DEPTH} levels`);
  else if (size > LARGEST_SIZE) reader.senseless(null, `has more than ${LARGEST_SIZE} parts, segments included`);
  else return { test, depth, size };
  return null;
}

function combined(form: string, tests: readonly Test[]): Test {
  const [first] = tests;
  if (form === "not" && first) return (attributes, units) => !first(attributes, units);
  if (tests.length === 1 && first) return first;
  const wanted = form === "any";
  return (attributes, units) => {
    for (const test of tests) if (test(attributes, units) === wanted) return wanted;
    return !wanted;
  };
}

function members(outer: Reader, segments: Segments): Condition | null {
  const node = outer.get("members");
  const byName = isObject(node) && Object.hasOwn(node, "units");
  const known = byName ? ["unit_type", "units"] : ["unit_type", "blob", "salt"];
  const faults = outer.problems.length;
  const reader = new Reader(node, `${outer.path}/members`, outer.problems, known);
  const unitType = readUnitType(reader, segments.unitTypes);
  if (byName) {
    const test = namedMembership(unitType, readUnits(reader));
    return outer.problems.length > faults ? null : { test, depth: 1, size: 1 };
  }
  const [address, salt] = [reader.text("blob"), reader.salt("salt")];
  const blob = segments.blobs.get(address);
  if (address !== "" && !blob) reader.senseless("blob", "is no list of members beside the snapshot");
  if (!blob || outer.problems.length > faults) return null;
  return { test: hashedMembership(unitType, salt, blob), depth: 1, size: 1 };
}

function clause(reader: Reader): Condition | null {
  const faults = reader.problems.length;
  const attribute = reader.text("attribute");
  const operator = reader.text("operator");
  const build = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
  if (operator !== "" && !build) reader.senseless("operator", `"${operator}" is no operator`);
  const holds = build?.(reader);
  if (!holds || reader.problems.length > faults) return null;
  const attributeOf = memberOf(attribute);
  return { test: (attributes) => holds(attributeOf(attributes)), depth: 1, size: 1 };
}
