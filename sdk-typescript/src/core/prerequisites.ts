/** Flags that must serve certain variants before another flag may decide; and how far that reaches. */
import { innerFirst } from "./ordering.js";
import type { Reader } from "./reading.js";
import { isObject, own, type Table } from "./values.js";

const LARGEST_DEPTH = 16;
const LARGEST_COUNT = 64;

interface Reach {
  readonly depth: number;
  readonly asked: number;
}

export class Prerequisites {
  readonly #flags: Table;
  readonly #reach = new Map<string, Reach>();

  /** @param flags the definitions of all flags */
  constructor(flags: Table) {
    this.#flags = flags;
    const asked = new Map(Object.entries(flags).map(([key, node]) => [key, named(node)]));
    for (const key of innerFirst(asked)) this.#reach.set(key, this.#measured(asked.get(key) ?? []));
  }

  #measured(names: readonly string[]): Reach {
    const inner = names.map((name) => this.#reach.get(name) ?? { depth: 1, asked: 0 });
    const depth = inner.reduce((most, one) => Math.max(most, 1 + one.depth), 1);
    const asked = inner.reduce((sum, one) => sum + 1 + one.asked, 0);
    return { depth, asked: Math.min(asked, LARGEST_COUNT + 1) };
  }

  /** Note when a flag waits for itself or asks too many others. */
  check(key: string, reader: Reader): void {
    const reach = this.#reach.get(key);
    if (!reach) reader.senseless("prerequisites", "lead back to a flag that they began with");
    else if (reach.depth > LARGEST_DEPTH) reader.senseless("prerequisites", `go deeper than ${LARGEST_DEPTH} flags`);
    else if (reach.asked > LARGEST_COUNT) reader.senseless("prerequisites", `ask more than ${LARGEST_COUNT} flags`);
  }

  /** Return the flag that is asked, and what it must serve. */
  read(reader: Reader): { readonly key: string; readonly wanted: ReadonlySet<string> } {
    const key = reader.text("flag");
    const wanted = new Set(reader.texts("variants"));
    if (wanted.size === 0) reader.malformed("variants", "must name at least one variant");
    if (key !== "" && !Object.hasOwn(this.#flags, key)) reader.senseless("flag", `there is no flag "${key}"`);
    const node = own(this.#flags, key);
    const variants = isObject(node) ? own(node, "variants") : undefined;
    for (const variant of wanted) {
      const isKnown = isObject(variants) && Object.hasOwn(variants, variant);
      if (node !== undefined && !isKnown) reader.senseless("variants", `"${variant}" is no variant of flag "${key}"`);
    }
    return { key, wanted };
  }
}

/** The flags that a definition asks, whatever its form, each as often as it does. */
function named(node: unknown): string[] {
  const entries = isObject(node) ? own(node, "prerequisites") : undefined;
  if (!Array.isArray(entries)) return [];
  const keys = entries.map((entry: unknown) => (isObject(entry) ? own(entry, "flag") : undefined));
  return keys.filter((key) => typeof key === "string");
}
