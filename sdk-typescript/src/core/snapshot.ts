/** Compiles a snapshot document and answers for its flags. No I/O, no clock, no randomness. */
import { Decision, failure, stickyKey, type Enrolment, type Metadata, type Skip } from "./decisions.js";
import { Experiments } from "./experiments.js";
import { fits, readFlag, type Flag, type Surroundings } from "./flags.js";
import { Layers } from "./layers.js";
import type { Members } from "./members.js";
import { Prerequisites } from "./prerequisites.js";
import { Reader, type Problem } from "./reading.js";
import { Segments } from "./targeting.js";
import { ringOf, type TokenRing } from "./tokens.js";
import { copied, isObject, own, type Context, type Table } from "./values.js";

const FORMAT = 1;
const LARGEST = Number.MAX_SAFE_INTEGER;
const NOTHING: Table = Object.freeze({});

/** The document as a whole is unusable; `problems` lists every reason. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";

  constructor(readonly problems: readonly Problem[]) {
    super(problems.map((problem) => `${problem.path || "/"}: ${problem.message}`).join("; "));
  }
}

/**
 * Compile a snapshot document (spec/schemas/snapshot.schema.json). A fault in a flag, or in what it uses, spoils
 * that flag alone: see `Snapshot.faults`. The document is kept: it must not be changed afterwards.
 * @param blobs address → list of members; one that is missing spoils the flags that use it
 * @throws {SnapshotError} when the document as a whole is unusable
 */
export function compileSnapshot(document: unknown, blobs: ReadonlyMap<string, Members> = new Map()): Snapshot {
  return new Snapshot(new Head(document), blobs);
}

/** The members without which no flag can be served; throws with all their faults at once. */
class Head {
  readonly project: string;
  readonly environment: string;
  readonly epoch: number;
  readonly revision: number;
  readonly hash: string | null;
  readonly previewKey: string | null;
  readonly tokens: TokenRing | null;
  readonly defaultUnitType: string;
  readonly unitTypes: ReadonlySet<string>;
  readonly killed: boolean;
  readonly tables: Readonly<Record<"groups" | "segments" | "layers" | "holdouts" | "experiments" | "flags", Table>>;

  constructor(document: unknown) {
    const problems: Problem[] = [];
    const reader = new Reader(document, "", problems, isObject(document) ? Object.keys(document) : []);
    reader.integer("format", FORMAT, FORMAT);
    this.project = reader.text("project");
    this.environment = reader.text("environment");
    this.epoch = reader.integer("epoch", 0, LARGEST);
    this.revision = reader.integer("revision", 0, LARGEST);
    this.unitTypes = new Set(reader.texts("unit_types"));
    this.defaultUnitType = reader.text("default_unit_type");
    if (!this.unitTypes.has(this.defaultUnitType)) reader.senseless("default_unit_type", "is not declared");
    this.killed = reader.truth("killed");
    this.tables = {
      groups: reader.table("groups"),
      segments: reader.table("segments"),
      layers: reader.table("layers"),
      holdouts: reader.table("holdouts"),
      experiments: reader.table("experiments"),
      flags: reader.table("flags"),
    };
    if (!reader.has("flags")) reader.malformed("flags", "is required");
    const [hash, previewKey] = [reader.get("hash"), reader.get("preview_key")];
    this.hash = typeof hash === "string" ? hash : null;
    this.previewKey = typeof previewKey === "string" ? previewKey : null;
    this.tokens = ringOf(reader.get("exposure_tokens"), this.project, this.environment);
    if (problems.length > 0) throw new SnapshotError(problems);
  }
}

/**
 * The configuration of one environment at one revision. A flag is compiled when it is first asked for, so a snapshot
 * is ready at once, whatever its size.
 */
export class Snapshot {
  readonly project: string;
  readonly environment: string;
  readonly epoch: number;
  readonly revision: number;
  /** The document's own content hash, trusted here; null when it has none. */
  readonly hash: string | null;
  /** The type of a unit that is given without one. */
  readonly defaultUnitType: string;
  readonly unitTypes: readonly string[];
  /** What links to previews are signed with, in hex; null when there are none. */
  readonly previewKey: string | null;
  /** What signs the places that pages report; null when they need no token. */
  readonly tokens: TokenRing | null;
  readonly #definitions: Table;
  readonly #around: Surroundings;
  readonly #flags = new Map<string, Flag>();
  #clustered: readonly { readonly stickyKey: string; readonly unitType: string }[] | null = null;

  constructor(head: Head, blobs: ReadonlyMap<string, Members>) {
    const { project, environment, revision, tables, unitTypes } = head;
    [this.project, this.environment, this.epoch, this.revision] = [project, environment, head.epoch, revision];
    [this.hash, this.previewKey, this.defaultUnitType] = [head.hash, head.previewKey, head.defaultUnitType];
    this.tokens = head.tokens;
    this.unitTypes = [...unitTypes];
    this.#definitions = tables.flags;
    const segments = new Segments(tables.segments, unitTypes, blobs);
    this.#around = {
      metadata: { project, environment, revision },
      killed: head.killed,
      groups: readGroups(tables.groups),
      unitTypes,
      segments,
      holdouts: tables.holdouts,
      experiments: new Experiments(tables.experiments, new Layers(tables.layers, unitTypes), segments),
      prerequisites: new Prerequisites(tables.flags),
      ask: (key, context) => this.#decided(key, context, null)?.variant ?? null,
    };
  }

  get flagKeys(): readonly string[] {
    return Object.keys(this.#definitions);
  }

  /** Flag key → what is wrong with its definition; such flags answer with ERROR. Reads every flag. */
  get faults(): ReadonlyMap<string, string> {
    const faulty = this.flagKeys.flatMap((key) => {
      const problems = this.#flag(key)?.problems ?? [];
      const told = problems.map((problem) => `${problem.path}: ${problem.message}`).join("; ");
      return problems.length > 0 ? [[key, told] as const] : [];
    });
    return new Map(faulty);
  }

  /** The experiments that randomise clusters: of whom a first cluster may be remembered, and under which key. */
  get clustered(): readonly { readonly stickyKey: string; readonly unitType: string }[] {
    this.#clustered ??= Object.keys(this.#around.experiments.definitions).flatMap((key) => {
      const experiment = this.#around.experiments.experiment(key);
      if (!experiment || experiment.clusterType === null) return [];
      const { iteration, unitType } = experiment;
      return [{ stickyKey: stickyKey({ experiment: key, iteration }), unitType }];
    });
    return this.#clustered;
  }

  /**
   * Decide one flag for one context (spec/evaluation.md, "Order"). Never throws.
   * @param codeDefault served when nothing else can be; of the flag's type, or null
   */
  evaluate(flagKey: string, context: Context, codeDefault: unknown): Decision {
    try {
      return this.#decided(flagKey, context, codeDefault) ?? this.#unknown(flagKey).orDefault(codeDefault);
    } catch (cause) {
      return this.#failed(flagKey, cause).orDefault(codeDefault);
    }
  }

  /** Decide every flag for one context, with null as code default. Never throws. */
  evaluateAll(context: Context): Decision[] {
    return this.flagKeys.map((key) => this.evaluate(key, context, null));
  }

  /**
   * Return arm → value of the decision's flag, for the experiment that enrolled the unit: what every arm would have
   * shown. Whoever computes outcomes from it can tell whether an exposure `differs`. Empty outside of experiments.
   */
  counterfactual(decision: Decision): ReadonlyMap<string, unknown> {
    const key = decision.enrolment?.experiment;
    const experiment = key === undefined ? null : this.#around.experiments.experiment(key);
    const definition = own(this.#definitions, decision.flagKey);
    const variants = isObject(definition) ? own(definition, "variants") : undefined;
    if (!experiment || !isObject(variants)) return new Map();
    const set = experiment.arms.filter((arm) => Object.hasOwn(arm.values, decision.flagKey));
    return new Map(set.map((arm) => [arm.key, copied(own(variants, String(own(arm.values, decision.flagKey))))]));
  }

  #flag(key: string): Flag | undefined {
    const known = this.#flags.get(key);
    if (known !== undefined || typeof key !== "string" || !Object.hasOwn(this.#definitions, key)) return known;
    const made = readFlag(key, own(this.#definitions, key), this.#around);
    this.#flags.set(key, made);
    return made;
  }

  #decided(key: string, context: unknown, codeDefault: unknown): Decision | null {
    const flag = this.#flags.get(key) ?? this.#flag(key);
    if (flag === undefined) return null;
    const { fixed, kind } = flag;
    if (codeDefault !== null && codeDefault !== undefined && kind !== null && !fits(codeDefault, kind)) {
      const told = `the flag is of type ${kind}`;
      return failure(key, "TYPE_MISMATCH", told, flag.metadata).orDefault(codeDefault);
    }
    const decision = (fixed ?? decided(flag, context)).orDefault(codeDefault);
    return kind === "object" && decision.variant !== null ? decision.copied() : decision;
  }

  #unknown(key: unknown): Decision {
    const metadata: Metadata = { ...this.#around.metadata, step: "unknown" };
    return failure(shown(key), "FLAG_NOT_FOUND", "the snapshot has no such flag", metadata);
  }

  #failed(key: unknown, cause: unknown): Decision {
    const kind = cause instanceof Error ? cause.name : typeof cause;
    const told = `the context or key could not be read: ${kind}`;
    return failure(shown(key), "GENERAL", told, this.#around.metadata);
  }
}

function decided(flag: Flag, context: unknown): Decision {
  const whole = isObject(context) ? context : null;
  const units = whole === null ? null : (whole["units"] ?? NOTHING);
  const attributes = whole === null ? null : (whole["attributes"] ?? NOTHING);
  if (whole === null || !isObject(units) || !isObject(attributes)) {
    const told = "a context is an object with the objects units and attributes";
    return failure(flag.key, "INVALID_CONTEXT", told, flag.metadata);
  }
  let skip: Skip | undefined;
  let places: Enrolment[] | null = null;
  for (const step of flag.steps) {
    const found = step(units, attributes, whole);
    if (found === null) continue;
    if (found instanceof Decision) return skip || places ? found.noted(skip, places ?? []) : found;
    if (typeof found === "string") skip ??= found;
    else places = [...(places ?? []), found];
  }
  return skip || places ? flag.last.noted(skip, places ?? []) : flag.last;
}

function readGroups(definitions: Table): ReadonlyMap<string, boolean> {
  const groups = new Map<string, boolean>();
  for (const [key, node] of Object.entries(definitions)) {
    const reader = new Reader(node, `/groups/${key}`, [], ["killed"]);
    const killed = reader.truth("killed");
    if (reader.problems.length === 0) groups.set(key, killed);
  }
  return groups;
}

/** A key as text, whatever was passed; what is no text has no name worth showing. */
function shown(key: unknown): string {
  return typeof key === "string" ? key : "";
}
