/** The shapes that everything here takes and gives: JSON, contexts, and how to look into what a stranger passed. */

export type Scalar = boolean | string | number;
export type Json = Scalar | null | readonly Json[] | { readonly [name: string]: Json };
/** The type that a literal default stands for. */
export type Widened<T> = T extends boolean ? boolean : T extends string ? string : T extends number ? number : T;
export type Table = Readonly<Record<string, unknown>>;

/**
 * Who is asked for, and what is known of them (spec/evaluation.md). An evaluation trusts `overrides`: take them
 * over from strangers only when a signature over them holds, as `client.preview` tells.
 */
export interface Context {
  /** Type → id: text of 1 to 256 bytes, or an integer. */
  readonly units?: Readonly<Record<string, string | number | null | undefined>> | null;
  /** Name → value; scalars can be targeted. */
  readonly attributes?: Table | null;
  /** Flag key → variant key: what this one context asks to see. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** "experiment:iteration" → the cluster in which the unit was first met. */
  readonly clusters?: Readonly<Record<string, string | number>>;
  /** RFC 3339 text or epoch seconds: the time that switchbacks go by. Pass the start of the session. */
  readonly now?: string | number;
}

export function isObject(node: unknown): node is Table {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

/** Own members alone: what an object inherits, such as "constructor", is not in the document. */
export function own(node: Table, name: string): unknown {
  return Object.hasOwn(node, name) ? node[name] : undefined;
}

/** Return a reader of one member: `own`, without its cost for names that no object inherits by itself. */
export function memberOf(name: string): (node: Table) => unknown {
  return name in Object.prototype ? (node) => own(node, name) : (node) => node[name];
}

/** Return a copy of JSON that its owner may change. */
export function copied<T>(node: T): T {
  if (typeof node !== "object" || node === null) return node;
  if (Array.isArray(node)) return node.map(copied) as T;
  return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, copied(value)])) as T;
}
