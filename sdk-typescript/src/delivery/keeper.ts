/** Decides which snapshot serves: distrusts what it gets, never replaces good with bad or older. */
import { namedBlobs, type Members } from "../core/members.js";
import type { Verifier } from "../core/signatures.js";
import { compileSnapshot, type Snapshot } from "../core/snapshot.js";
import { isObject } from "../core/values.js";
import type { Troubles } from "../reporting/troubles.js";
import { isLater, type Kill, type Moment } from "./frames.js";
import { read, refused, refuseOlder, vetted } from "./vetting.js";

const TABLES = { flag: "flags", group: "groups", experiment: "experiments" } as const;

/** How the serving snapshot is kept current, or where it came from. */
export type Source = "poll" | "disk" | "bootstrap" | "memory" | "none";

/** The snapshot in use, where it is from, and when it was last known to be current. */
export interface Serving {
  readonly snapshot: Snapshot | null;
  readonly source: Source;
  readonly confirmedAt: Date | null;
  /** The snapshot as it was received, without the kills that came after it. */
  readonly body: string;
  /** What was killed after it; each is forgotten once a snapshot of its revision serves. */
  readonly kills: readonly Kill[];
}

export interface Offer {
  readonly body: string;
  readonly source: Source;
  readonly at: Date;
  readonly signature: string | null;
}

/** Gets the lists of members of a snapshot, as many as can be had. */
export type FetchMembers = (
  addresses: ReadonlySet<string>,
  from: "anywhere" | "disk",
) => Promise<ReadonlyMap<string, Members>>;

const NOTHING: Serving = { snapshot: null, source: "none", confirmedAt: null, body: "", kills: [] };

/** Holds one reference that is replaced as a whole. Offers wait for one another. */
export class Keeper {
  serving: Serving = NOTHING;
  #blobs: ReadonlyMap<string, Members> = new Map();
  #wanted: ReadonlySet<string> = new Set();
  #busy: Promise<unknown> = Promise.resolve();
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly verifier: Verifier | null = null,
    readonly fetchMembers: FetchMembers = () => Promise.resolve(new Map()),
    readonly troubles: Troubles | null = null,
  ) {}

  /** Epoch and revision of the snapshot in use. */
  get moment(): Moment | null {
    const { snapshot } = this.serving;
    return snapshot === null ? null : [snapshot.epoch, snapshot.revision];
  }

  /** Whether a list of members that the snapshot names could not be had yet. */
  get isMissingMembers(): boolean {
    return [...this.#wanted].some((address) => !this.#blobs.has(address));
  }

  /** Call back whenever another snapshot serves, or a kill applies; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Serve a snapshot from now on.
   * @throws {Refused} when it cannot be read, contradicts its hash or signature, or goes back in time
   */
  offer(offer: Offer): Promise<void> {
    const work = this.#busy.then(() => this.#take(offer)).catch(refused);
    this.#busy = work.catch(() => undefined);
    return work;
  }

  /** Try again to get the lists that are missing. */
  completed(): Promise<void> {
    const work = this.#busy.then(() => this.#complete());
    this.#busy = work.catch(() => undefined);
    return work;
  }

  /** Serve the snapshot in use with one thing killed, until a snapshot of that revision serves. */
  kill(kill: Kill): void {
    const { snapshot, kills } = this.serving;
    if (snapshot === null || !isLater(kill.moment, [snapshot.epoch, snapshot.revision])) return;
    if (kills.some((known) => known.level === kill.level && known.key === kill.key)) return;
    this.#serve({ ...this.serving, kills: [...kills, kill] });
  }

  /** Note that the server still has the snapshot in use; a revision's number says nothing of a bootstrap's content. */
  confirm(at: Date): void {
    if (this.serving.snapshot !== null && this.serving.source !== "bootstrap")
      this.serving = { ...this.serving, source: "poll", confirmedAt: at };
  }

  async #complete(): Promise<void> {
    if (!this.isMissingMembers) return;
    const known = this.#blobs.size;
    this.#blobs = await this.fetchMembers(this.#wanted, "anywhere");
    if (this.#blobs.size > known) this.#serve(this.serving);
  }

  async #take(offer: Offer): Promise<void> {
    const isOwn = offer.source === "bootstrap"; // the application brought it along itself
    const { document, snapshot } = isOwn ? read(offer.body) : await vetted(offer, this.verifier);
    if (this.serving.source !== "bootstrap") refuseOlder(snapshot, this.serving.snapshot); // else the server knows better
    if (this.#isServing(snapshot)) {
      this.serving = { ...this.serving, source: offer.source, confirmedAt: offer.at };
      return this.#complete();
    }
    const wanted = namedBlobs(document);
    const from = offer.source === "poll" ? "anywhere" : "disk";
    const blobs = wanted.size === 0 ? new Map<string, Members>() : await this.fetchMembers(wanted, from);
    [this.#wanted, this.#blobs] = [wanted, blobs];
    const kills = this.serving.kills.filter((kill) => isLater(kill.moment, [snapshot.epoch, snapshot.revision]));
    this.#serve({ snapshot, source: offer.source, confirmedAt: offer.at, body: offer.body, kills });
  }

  #serve(serving: Serving): void {
    const isPlain = serving.kills.length === 0 && this.#blobs.size === 0;
    const document = isPlain ? null : (JSON.parse(serving.body) as Record<string, unknown>);
    for (const kill of serving.kills) apply(kill, document ?? {});
    const snapshot = document === null ? serving.snapshot : compileSnapshot(document, this.#blobs);
    this.serving = { ...serving, snapshot };
    for (const listener of this.#listeners) this.#call(listener);
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (cause) {
      this.troubles?.say("listener", `a listener to changes failed: ${String(cause)}`);
    }
  }

  #isServing({ epoch, revision, hash }: Snapshot): boolean {
    const current = this.serving.snapshot;
    return current?.epoch === epoch && current.revision === revision && current.hash === hash;
  }
}

/** Kill in the document what it knows; what it does not know cannot be served either. */
function apply(kill: Kill, document: Record<string, unknown>): void {
  if (kill.level === "environment") {
    document["killed"] = true;
    return;
  }
  const table = document[TABLES[kill.level]];
  const entry = isObject(table) && Object.hasOwn(table, kill.key) ? table[kill.key] : undefined;
  if (isObject(entry)) (entry as Record<string, unknown>)["killed"] = true;
}
