/** What both providers share: decisions in OpenFeature's words, and exposures from them. */
import { Decision } from "../core/decisions.js";
import type { Table } from "../core/values.js";
import { placesIn } from "../reporting/places.js";

/** The name of the provider, in metadata and telemetry. */
export const NAME = "equipoise";

/** Reserved for reporting an exposure by hand: `client.track("feature_flag.exposure", {flagKey})`. */
export const EXPOSURE_EVENT = "feature_flag.exposure";

type FlagMetadata = Record<string, string | number | boolean>;

/** What both SDKs of OpenFeature take from a provider. */
export interface Resolved<T> {
  readonly value: T;
  readonly reason: string;
  readonly variant?: string;
  readonly flagMetadata: FlagMetadata;
  readonly errorCode?: never;
  readonly errorMessage?: string;
}

/** Remembers which decision an answer came from, for as long as somebody holds the answer. */
export class Resolutions {
  readonly #decisions = new WeakMap<object, Decision>();

  /**
   * Return a decision in OpenFeature's words.
   * @param told metadata beyond the decision's own, such as `version`
   */
  resolved<T>(decision: Decision, told: FlagMetadata, reason: string = decision.reason): Resolved<T> {
    const { enrolment, errorCode, errorMessage, metadata, value, variant } = decision;
    const unit = enrolment === null ? {} : { "experiment.unit": enrolment.unit };
    const flagMetadata = { ...metadata, ...told, ...unit };
    this.#decisions.set(flagMetadata, decision);
    return {
      value: value as T,
      reason,
      flagMetadata,
      ...(variant === null ? {} : { variant }),
      ...(errorCode === null ? {} : { errorCode: errorCode as never, errorMessage: errorMessage ?? "" }),
    };
  }

  /** Return the decision behind an answer; of a copy, what its metadata tell. */
  decisionOf(
    details: { flagKey: string; flagMetadata: Readonly<FlagMetadata>; variant?: string },
    units: Table,
  ): Decision {
    const known = this.#decisions.get(details.flagMetadata);
    if (known !== undefined) return known;
    const { flagKey, flagMetadata, variant = null } = details;
    const places = variant === null ? [] : placesIn(flagMetadata, units);
    const enrolment = places.find((place) => place.experiment === flagMetadata["experiment.key"]) ?? null;
    const holdouts = places.filter((place) => place !== enrolment);
    const served = { flagKey, value: null, variant, reason: "SPLIT" as const, errorCode: null, errorMessage: null };
    return new Decision({ ...served, metadata: flagMetadata, enrolment, holdouts });
  }
}

/** Whether the caller of an evaluation wants no exposure: the hint `{exposure: false}`. */
export function isUnwanted(hints: Readonly<Record<string, unknown>> | undefined): boolean {
  return hints?.["exposure"] === false;
}

/** A context's members as attributes: dates become RFC 3339, as targeting reads them. */
export function attributesIn(context: Readonly<Record<string, unknown>>, without: readonly string[]): Table {
  const members = Object.entries(context).filter(([name]) => !without.includes(name));
  return Object.fromEntries(members.map(([name, value]) => [name, value instanceof Date ? dated(value) : value]));
}

function dated(date: Date): string | null {
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
