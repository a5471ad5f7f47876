/** Evaluates Equipoise flags and experiments: a snapshot and a context in, a decision out. */
export { canonicalUnit, hashUnit, pick, slot } from "./hashing.mjs";
export { memberHash } from "./members.mjs";
export { SnapshotError, compileSnapshot } from "./snapshot.mjs";
