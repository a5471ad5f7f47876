/** What an application calls: decide, expose, track. Nothing here throws for what the world does. */
import { failure, type Decision } from "../core/decisions.js";
import { previewed, type Overrides } from "../core/previews.js";
import { isObject, type Context, type Json, type Table, type Widened } from "../core/values.js";
import { broughtOf, scriptOf } from "../delivery/bootstrap.js";
import { chosenAttributes, encoded, exposure, track, type Report, type TrackDetails } from "../reporting/events.js";
import { Exposed, exposureKey } from "../reporting/exposed.js";
import type { Loss } from "../reporting/losses.js";
import { Troubles, type Logger } from "../reporting/troubles.js";
import type { Connection } from "./connection.js";
import type { Keeper, Source } from "../delivery/keeper.js";
import type { Outside } from "./settings.js";
import { keepCluster, withClusters, type StickyStore } from "./sticky.js";

/** How the client is doing. */
export interface Status {
  /** Whether any snapshot serves; without one every call gives its default. */
  readonly ready: boolean;
  /** How it is kept current, stream or poll; or where it is from. */
  readonly source: Source | "stream";
  readonly revision: number | null;
  readonly epoch: number | null;
  /** Since the server last confirmed it. */
  readonly snapshotAgeSeconds: number | null;
  /** Events that wait to be sent. */
  readonly queued: number;
  /** Events that were lost: queue full, refused by the server, or not writable. */
  readonly dropped: number;
  /** The last trouble that is not over. */
  readonly lastError: string | null;
}

export interface When {
  /** When the unit met the value, for imports; now unless given. */
  readonly at?: Date;
}

export interface Exposing extends When {
  /** Whether another arm would have looked different here; log it alike in all arms. */
  readonly differs?: boolean;
  /** The context's attributes; only `exposureAttributes` are sent. */
  readonly attributes?: Table | null;
}

/** The head of the snapshot in use; null before there is one. */
export interface Scope {
  readonly project: string | null;
  readonly environment: string | null;
  readonly epoch: number | null;
  readonly revision: number | null;
  readonly unitTypes: readonly string[];
  /** The type of ids that are given without one. */
  readonly defaultUnitType: string | null;
}

const NOWHERE: Scope = {
  project: null,
  environment: null,
  epoch: null,
  revision: null,
  unitTypes: [],
  defaultUnitType: null,
};

/** Where events go. */
export interface Reports {
  readonly queued: number;
  readonly dropped: number;
  put(kind: "exposure" | "track", event: string): boolean;
  drop(cause: Loss): void;
}

/** The parts of a client. */
export interface Parts {
  readonly keeper: Keeper;
  readonly reports: Reports;
  readonly outside: Outside;
  readonly logger: Logger;
  readonly exposureAttributes: readonly string[];
  readonly stickyStore: StickyStore | null;
  readonly connection: Connection | null;
}

/** Decides flags from memory and reports exposures and events. Made by `connect` or `inMemory`. */
export class Client {
  readonly #parts: Parts;
  readonly #exposed = new Exposed();
  readonly #troubles: Troubles;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#troubles = new Troubles(parts.logger);
  }

  /** Return a boolean flag's value and report the exposure. Call it where the value is used. */
  boolean(key: string, fallback: boolean, context: Context, when: When = {}): boolean {
    return this.details(key, fallback, context, when).value;
  }

  /** Return a string flag's value and report the exposure. */
  string(key: string, fallback: string, context: Context, when: When = {}): string {
    return this.details(key, fallback, context, when).value;
  }

  /** Return a number flag's value and report the exposure. */
  number(key: string, fallback: number, context: Context, when: When = {}): number {
    return this.details(key, fallback, context, when).value;
  }

  /** Return a copy of an object flag's value and report the exposure. */
  object<T extends Json>(key: string, fallback: T, context: Context, when: When = {}): T {
    return this.details<unknown>(key, fallback, context, when).value as T;
  }

  /**
   * Return value, variant, reason and metadata, and report the exposure.
   * @param fallback served when nothing else can be; its type must be the flag's
   */
  details<T>(key: string, fallback: T, context: Context, when: When = {}): Decision<Widened<T>> {
    const decision = this.peek(key, fallback, context);
    this.expose(decision, { ...when, attributes: context?.attributes ?? null });
    return decision;
  }

  /** Return the decision without reporting an exposure. */
  peek<T>(key: string, fallback: T, context: Context): Decision<Widened<T>> {
    const decision = this.#decided(key, context, fallback);
    if (decision.errorCode !== null) {
      this.#troubles.say(`${decision.errorCode} ${decision.flagKey}`, `${decision.flagKey}: ${decision.errorMessage}`);
    }
    return decision as Decision<Widened<T>>;
  }

  /** Decide every flag, with null as code default; nothing is exposed. */
  evaluateAll(context: Context): Decision[] {
    const { snapshot } = this.#parts.keeper.serving;
    return snapshot === null ? [] : snapshot.evaluateAll(this.#remembering(context));
  }

  /** Return arm → value of the decision's flag: what every arm of its experiment would have shown. */
  counterfactual(decision: Decision): ReadonlyMap<string, unknown> {
    return this.#parts.keeper.serving.snapshot?.counterfactual(decision) ?? new Map();
  }

  /** Report that a unit met what `peek` decided; nothing happens outside of experiments and holdouts. */
  expose(decision: Decision, { at, attributes, differs }: Exposing = {}): void {
    for (const place of decision.exposable) {
      const key = exposureKey(place, differs);
      this.#report("exposure", at, (moment) => {
        if (!this.#exposed.isNews(key, moment.getTime(), at === undefined)) return null;
        const chosen = chosenAttributes(attributes, this.#parts.exposureAttributes);
        const { flagKey: flag, metadata } = decision;
        return exposure(place, { flag, revision: metadata["revision"], differs, attributes: chosen });
      }) || this.#exposed.forget(key);
    }
  }

  /** Report that something happened to the units of a context; its attributes are not sent. */
  track(eventName: string, context: Context, details: TrackDetails & When = {}): void {
    this.#report("track", details.at, () => track(eventName, context, details));
  }

  /**
   * Return a script element for the head of a page that this server renders: the values of one context, for
   * `@equipoise/sdk/browser` to begin with. Nothing is exposed by it, and no rule is in it.
   * @param nonce of the page's content security policy, if it has one
   */
  bootstrapScript(context: Context, { nonce = null }: { readonly nonce?: string | null } = {}): string {
    const { snapshot } = this.#parts.keeper.serving;
    const units = isObject(context?.units) ? context.units : {};
    const deciding = { snapshot, now: this.#parts.outside.now() };
    return scriptOf(broughtOf(this.evaluateAll(context), units, deciding), nonce);
  }

  /** Return what a link to a preview asks to see, for `context.overrides`; empty when its token is void. */
  async preview(token: unknown): Promise<Overrides> {
    const { snapshot } = this.#parts.keeper.serving;
    if (snapshot === null) return {};
    return previewed(token, snapshot, this.#parts.outside.now().getTime() / 1000);
  }

  /** Send what is queued now; false when that took longer than the time given. */
  async flush(timeoutSeconds = 1): Promise<boolean> {
    return (await this.#parts.connection?.sender.drained(timeoutSeconds)) ?? true;
  }

  /** Send what can be sent within a second, and stop. Values are still served. */
  async close(): Promise<void> {
    await this.#parts.connection?.close();
  }

  /** Call back whenever other values may hold; returns how to stop. */
  onChange(listener: () => void): () => void {
    return this.#parts.keeper.onChange(listener);
  }

  /** Whose flags these are, of which moment, and which types of units the project has. */
  get scope(): Scope {
    const { snapshot } = this.#parts.keeper.serving;
    if (snapshot === null) return NOWHERE;
    const { project, environment, epoch, revision, unitTypes, defaultUnitType } = snapshot;
    return { project, environment, epoch, revision, unitTypes, defaultUnitType };
  }

  get status(): Status {
    const { connection, keeper, outside, reports } = this.#parts;
    const { snapshot, source, confirmedAt } = keeper.serving;
    const age = confirmedAt === null ? null : (outside.now().getTime() - confirmedAt.getTime()) / 1000;
    return {
      ready: snapshot !== null,
      source: source === "poll" && connection?.isStreaming ? "stream" : source,
      revision: snapshot?.revision ?? null,
      epoch: snapshot?.epoch ?? null,
      snapshotAgeSeconds: age,
      queued: reports.queued,
      dropped: reports.dropped,
      lastError: connection?.lastError ?? null,
    };
  }

  #decided(key: string, context: Context, fallback: unknown): Decision {
    const { keeper, stickyStore } = this.#parts;
    const { snapshot } = keeper.serving;
    if (snapshot === null) {
      const told = "no snapshot has been received yet";
      return failure(typeof key === "string" ? key : "", "PROVIDER_NOT_READY", told, {}).orDefault(fallback);
    }
    const decision = snapshot.evaluate(key, this.#remembering(context), fallback);
    if (stickyStore !== null) this.#storing(() => keepCluster(decision, stickyStore));
    return decision;
  }

  #remembering(context: Context): Context {
    const { keeper, stickyStore } = this.#parts;
    const { snapshot } = keeper.serving;
    if (stickyStore === null || snapshot === null) return context;
    return this.#storing(() => withClusters(context, snapshot, stickyStore)) ?? context;
  }

  /** A store that fails costs the memory of clusters, and no value. */
  #storing<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (cause) {
      this.#troubles.say("sticky", `the sticky store failed: ${String(cause)}`);
      return undefined;
    }
  }

  /** Queue an event; false when it was lost, true also when there is nothing to report. */
  #report(kind: "exposure" | "track", at: Date | undefined, make: (moment: Date) => Report | null): boolean {
    const { connection, outside, reports } = this.#parts;
    try {
      const moment = at ?? outside.now();
      const report = make(moment);
      if (report === null) return true;
      const isQueued = reports.put(kind, encoded(report, outside.newId(), moment));
      connection?.sender.nudge();
      return isQueued;
    } catch (cause) {
      reports.drop("invalid");
      this.#troubles.say(`lost ${kind}`, `${kind} dropped: ${cause instanceof Error ? cause.message : String(cause)}`);
      return false;
    }
  }
}
