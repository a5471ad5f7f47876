/** Compiles a snapshot document and answers for its flags. */
import { readExperiment } from "./experiments.mjs";
import { failure, readFlag } from "./flags.mjs";
import { readHoldout } from "./holdouts.mjs";
import { Layers } from "./layers.mjs";
import { Prerequisites } from "./prerequisites.mjs";
import { Reader, isObject } from "./reading.mjs";
import { Segments } from "./targeting.mjs";

const FORMAT = 1;
const TABLES = ["layers", "segments", "holdouts", "experiments", "flags"];
const LARGEST = Number.MAX_SAFE_INTEGER;

/** The document as a whole is unusable; `problems` lists every reason. */
export class SnapshotError extends Error {
  constructor(problems) {
    super(problems.map((problem) => `${problem.path || "/"}: ${problem.message}`).join("; "));
    this.problems = problems;
  }
}

/**
 * Compile a snapshot document (spec/schemas/snapshot.schema.json).
 * @param {unknown} document
 * @param {Map<string, Uint8Array>} blobs address → list of members (spec/hashing.md, "Members")
 * @returns {Snapshot}
 * @throws {SnapshotError} when the document as a whole is unusable
 */
export function compileSnapshot(document, blobs = new Map()) {
  const problems = [];
  const reader = new Reader(document, "", problems, isObject(document) ? Object.keys(document) : []);
  reader.integer("format", FORMAT, FORMAT);
  const project = reader.text("project");
  const environment = reader.text("environment");
  const epoch = reader.integer("epoch", 0, LARGEST);
  const revision = reader.integer("revision", 0, LARGEST);
  const unitTypes = reader.texts("unit_types");
  if (!unitTypes.includes(reader.text("default_unit_type"))) reader.senseless("default_unit_type", "is not declared");
  const killed = reader.truth("killed");
  const groups = readGroups(reader.table("groups"));
  const [layers, segments, holdouts, experiments, flags] = TABLES.map((name) => reader.table(name));
  if (reader.get("flags") === undefined) reader.malformed("flags", "is required");
  if (problems.length > 0) throw new SnapshotError(problems);
  const metadata = { project, environment, revision };
  const around = { metadata, killed, groups, unitTypes };
  around.layers = new Layers(layers, unitTypes);
  around.segments = new Segments(segments, unitTypes, blobs);
  around.holdouts = new Map(
    Object.entries(holdouts).map(([key, node]) => [key, readHoldout(key, node, unitTypes)]),
  );
  around.experiments = new Map(
    Object.entries(experiments).map(([key, node]) => [key, readExperiment(key, node, around)]),
  );
  const evaluators = new Map();
  around.prerequisites = new Prerequisites(flags);
  around.ask = (key, context) => evaluators.get(key)(context, null).variant;
  for (const [key, node] of Object.entries(flags)) evaluators.set(key, readFlag(key, node, around));
  return new Snapshot({ project, environment, epoch, revision }, evaluators);
}

function readGroups(definitions) {
  const groups = new Map();
  for (const [key, node] of Object.entries(definitions)) {
    const problems = [];
    const killed = new Reader(node, `/groups/${key}`, problems, ["killed"]).truth("killed");
    if (problems.length === 0) groups.set(key, killed);
  }
  return groups;
}

/** The compiled configuration of one environment at one revision. */
class Snapshot {
  #evaluators;

  constructor(head, evaluators) {
    Object.assign(this, head);
    this.#evaluators = evaluators;
  }

  /**
   * Decide one flag for one context (spec/evaluation.md). Never throws.
   * @param {string} flagKey
   * @param {{units?: object, attributes?: object}} context
   * @param {unknown} codeDefault served when nothing else can be; of the flag's type, or null
   */
  evaluate(flagKey, context, codeDefault) {
    const { project, environment, revision } = this;
    const metadata = { project, environment, revision };
    try {
      const evaluate = this.#evaluators.get(flagKey);
      if (evaluate) return evaluate(context, codeDefault);
    } catch (cause) {
      return { ...failure(flagKey, "GENERAL", String(cause), metadata), value: codeDefault };
    }
    const unknown = failure(flagKey, "FLAG_NOT_FOUND", "the snapshot has no such flag", metadata);
    return { ...unknown, value: codeDefault, metadata: { ...metadata, step: "unknown" } };
  }
}
