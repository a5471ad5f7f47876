/** Tells whether a snapshot may serve: whole, of the hash it names, signed where keys are given, and not older. */
import { contentHash } from "../core/canonical.js";
import type { Verifier } from "../core/signatures.js";
import { compileSnapshot, type Snapshot } from "../core/snapshot.js";
import { isObject, type Table } from "../core/values.js";
import { isLater } from "./frames.js";

/** The offered snapshot does not serve; the one before stays. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export interface Vetted {
  readonly document: Table;
  /** Compiled without lists of members. */
  readonly snapshot: Snapshot;
}

/**
 * Read a snapshot as it was received.
 * @param verifier null trusts whoever sent it
 * @throws {Refused} when it cannot be read, or contradicts its hash or signature
 */
export async function vetted(
  { body, signature }: { readonly body: string; readonly signature: string | null },
  verifier: Verifier | null,
): Promise<Vetted> {
  const { document, snapshot } = read(body);
  const { project, environment, epoch, revision, hash } = snapshot;
  if (hash === null || hash !== (await contentHash(document))) {
    throw new Refused("the snapshot does not have the content that its hash promises");
  }
  if (verifier !== null && !(await verifier.holds(signature, { project, environment, epoch, revision, hash }))) {
    throw new Refused("the snapshot is not signed with a key that is trusted");
  }
  return { document, snapshot };
}

/**
 * Read a snapshot whose hash and origin nobody looks at.
 * @throws {Refused} when it is no JSON object
 * @throws {SnapshotError} when it is unusable as a whole
 */
export function read(body: string): Vetted {
  const document = parsed(body);
  return { document, snapshot: compileSnapshot(document) };
}

/** @throws {Refused} when another environment, an earlier moment or another content of the same moment is offered */
export function refuseOlder(offered: Snapshot, current: Snapshot | null): void {
  if (current === null) return;
  if (offered.project !== current.project || offered.environment !== current.environment) {
    throw new Refused(`the snapshot is of ${offered.project}/${offered.environment}, another environment`);
  }
  const [was, now] = [`${current.epoch}.${current.revision}`, `${offered.epoch}.${offered.revision}`];
  if (isLater([current.epoch, current.revision], [offered.epoch, offered.revision])) {
    throw new Refused(`epoch and revision ${now} are older than ${was}`);
  }
  if (now === was && offered.hash !== current.hash) {
    throw new Refused(`two different snapshots call themselves epoch and revision ${now}`);
  }
}

/** Whatever a document does to its readers, such as to nest too deeply for them, is a reason to refuse it. */
export function refused(cause: unknown): never {
  if (cause instanceof Refused) throw cause;
  throw new Refused(`the snapshot cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
}

function parsed(body: string): Table {
  try {
    const document: unknown = JSON.parse(body);
    if (isObject(document)) return document;
  } catch {
    throw new Refused("the snapshot is not JSON");
  }
  throw new Refused("the snapshot is not a JSON object");
}
