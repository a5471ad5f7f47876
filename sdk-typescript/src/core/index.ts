/** Evaluates Equipoise flags and experiments: a snapshot and a context in, a decision out. */
export { canonicalJson, contentHash } from "./canonical.js";
export { Decision, stickyKey } from "./decisions.js";
export type { Enrolment, ErrorCode, Metadata, Reason, Skip } from "./decisions.js";
export { canonicalUnit, hashUnit, memberHash, pick, slot } from "./hashing.js";
export { Members, namedBlobs } from "./members.js";
export { compileSnapshot, Snapshot, SnapshotError } from "./snapshot.js";
export type { Context, Json, Scalar } from "./values.js";
