/** Remembers the first cluster of each unit, so that a unit that changes its cluster keeps its arm. */
import type { Decision } from "../core/decisions.js";
import { stickyKey } from "../core/decisions.js";
import type { Snapshot } from "../core/snapshot.js";
import { canonicalUnit } from "../core/hashing.js";
import { isObject, own, type Context } from "../core/values.js";

/** Where first clusters are kept; `iteration` is "experiment:iteration". Called during evaluations: may not wait. */
export interface StickyStore {
  /** Return the first cluster of a unit in an iteration, or null. */
  get(iteration: string, unit: string): string | null;
  /** Keep a unit's cluster, unless one is kept already. */
  keep(iteration: string, unit: string, cluster: string): void;
}

/** Keeps first clusters in this process, up to a number; the longest unused is forgotten first. */
export class MemoryStickyStore implements StickyStore {
  readonly #clusters = new Map<string, string>();

  constructor(readonly size = 100_000) {}

  get(iteration: string, unit: string): string | null {
    const key = JSON.stringify([iteration, unit]);
    const cluster = this.#clusters.get(key);
    if (cluster === undefined) return null;
    this.#clusters.delete(key);
    this.#clusters.set(key, cluster);
    return cluster;
  }

  keep(iteration: string, unit: string, cluster: string): void {
    if (this.get(iteration, unit) !== null) return;
    this.#clusters.set(JSON.stringify([iteration, unit]), cluster);
    const [oldest] = this.#clusters.keys();
    if (this.#clusters.size > this.size && oldest !== undefined) this.#clusters.delete(oldest);
  }
}

/** Return the context with the clusters that are kept of its units; what the context brings itself comes first. */
export function withClusters(context: Context, snapshot: Snapshot, store: StickyStore): Context {
  if (snapshot.clustered.length === 0 || !isObject(context) || !isObject(context.units)) return context;
  const kept: Record<string, string | number> = {};
  for (const { stickyKey: iteration, unitType } of snapshot.clustered) {
    const unit = canonicalUnit(own(context.units, unitType));
    const cluster = unit === null ? null : store.get(iteration, unit);
    if (cluster !== null) kept[iteration] = cluster;
  }
  const brought = isObject(context.clusters) ? context.clusters : {};
  return { ...context, clusters: { ...kept, ...(brought as typeof kept) } };
}

/** Keep the cluster with which a unit was randomised. */
export function keepCluster(decision: Decision, store: StickyStore): void {
  const place = decision.enrolment;
  if (place?.cluster === undefined) return;
  store.keep(stickyKey(place), place.unit, place.cluster);
}
