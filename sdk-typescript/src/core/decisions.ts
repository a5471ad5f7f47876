/** What an evaluation answers: values and closed sets of words, without any rule of how they arise. */
import { copied, type Scalar } from "./values.js";

/** Why a value was served, in OpenFeature's words (spec/evaluation.md). */
export type Reason = "STATIC" | "DEFAULT" | "TARGETING_MATCH" | "SPLIT" | "DISABLED" | "ERROR";

/** What went wrong, in OpenFeature's words; only together with the reason ERROR. */
export type ErrorCode =
  "PROVIDER_NOT_READY" | "FLAG_NOT_FOUND" | "PARSE_ERROR" | "TYPE_MISMATCH" | "INVALID_CONTEXT" | "GENERAL";

/** Why an experiment or rollout passed a unit over that it might have taken. */
export type Skip = "unit_missing" | "clock_missing";

/** Booleans, strings and numbers by name: spec/evaluation.md, "Metadata". */
export type Metadata = Readonly<Record<string, Scalar>>;

/**
 * A unit's place in a running experiment or in a holdout: what an exposure has to carry. Of a holdout, `experiment`
 * and `layer` are its key, `iteration` is its season. In a switchback the unit is "region:window".
 */
export interface Enrolment {
  readonly experiment: string;
  readonly iteration: number;
  readonly arm: string;
  readonly unitType: string;
  readonly unit: string;
  readonly layer: string;
  /** What was randomised in place of the unit, and stays its cluster when the context brings it along again. */
  readonly clusterType?: string;
  readonly cluster?: string;
  /** By which the server vouches for the place, where it was given by one (spec/exposure-tokens.md). */
  readonly token?: string;
}

/** The key of an iteration among the `clusters` of a context. */
export function stickyKey(place: { readonly experiment: string; readonly iteration: number }): string {
  return `${place.experiment}:${place.iteration}`;
}

/** What metadata tell of a place in a holdout. */
export function told(place: Enrolment): Metadata {
  return {
    "holdout.key": place.experiment,
    "holdout.season": place.iteration,
    "holdout.arm": place.arm,
    "holdout.unit_type": place.unitType,
  };
}

const NO_PLACES: readonly Enrolment[] = Object.freeze([]);

/** What a decision is made of. */
export interface Answer<T = unknown> {
  readonly flagKey: string;
  /** The variant's value, or the code default when `variant` is null. */
  readonly value: T;
  /** The variant's key, or null when the code default was served. */
  readonly variant: string | null;
  readonly reason: Reason;
  readonly errorCode: ErrorCode | null;
  readonly errorMessage: string | null;
  readonly metadata: Metadata;
  /** The unit's place in a running experiment, or null. */
  readonly enrolment: Enrolment | null;
  /** The unit's place in each holdout that covers the flag: its arm is "holdout" or "open". */
  readonly holdouts: readonly Enrolment[];
}

/** The answer for one flag and one context. Not to be changed. */
export class Decision<T = unknown> implements Answer<T> {
  readonly flagKey: string;
  readonly value: T;
  readonly variant: string | null;
  readonly reason: Reason;
  readonly errorCode: ErrorCode | null;
  readonly errorMessage: string | null;

  /** The members that differ between units come one by one: one decision is made for every enrolled unit. */
  constructor(
    answer: Answer<T>,
    readonly enrolment: Enrolment | null = answer.enrolment,
    readonly metadata: Metadata = answer.metadata,
    readonly holdouts: readonly Enrolment[] = answer.holdouts,
  ) {
    this.flagKey = answer.flagKey;
    this.value = answer.value;
    this.variant = answer.variant;
    this.reason = answer.reason;
    this.errorCode = answer.errorCode;
    this.errorMessage = answer.errorMessage;
  }

  /** All that exposures have to report. */
  get exposable(): readonly Enrolment[] {
    return this.enrolment === null ? this.holdouts : [...this.holdouts, this.enrolment];
  }

  /** The same answer with the caller's default, when there is no variant to serve. */
  orDefault(codeDefault: unknown): Decision {
    if (this.variant !== null || this.value === codeDefault) return this;
    return new Decision<unknown>({ ...this, value: codeDefault });
  }

  /** The same answer, with a value that the caller may change. */
  copied(): Decision {
    return new Decision<unknown>({ ...this, value: copied(this.value) });
  }

  /** The same answer for a unit that an experiment enrolled. */
  enrolled(enrolment: Enrolment, extra: Metadata | null): Decision {
    if (extra === null) return new Decision<unknown>(this, enrolment);
    return new Decision<unknown>(this, enrolment, Object.freeze({ ...this.metadata, ...extra }));
  }

  /** The same answer with what steps before noted: the first reason why one was skipped, and places in holdouts. */
  noted(skip: Skip | undefined, places: readonly Enrolment[]): Decision {
    const [first] = places;
    const metadata = {
      ...this.metadata,
      ...(skip === undefined ? {} : { skipped: skip }),
      ...(first === undefined || this.holdouts.length > 0 ? {} : told(first)),
    };
    return new Decision<unknown>(this, this.enrolment, Object.freeze(metadata), [...places, ...this.holdouts]);
  }
}

/** Return a prepared answer without an enrolment. */
export function answer(
  flagKey: string,
  { key: variant, value }: { readonly key: string; readonly value: unknown },
  reason: Reason,
  metadata: Metadata,
): Decision {
  Object.freeze(metadata);
  const [errorCode, errorMessage, enrolment, holdouts] = [null, null, null, NO_PLACES];
  return new Decision({ flagKey, value, variant, reason, errorCode, errorMessage, metadata, enrolment, holdouts });
}

/**
 * Return an error. Without a variant the code default takes the place of the value.
 * @param served all the same: the default of a flag that is faulty elsewhere
 */
export function failure(
  flagKey: string,
  errorCode: ErrorCode,
  errorMessage: string,
  told: Metadata,
  served: { readonly key: string | null; readonly value: unknown } = { key: null, value: null },
): Decision {
  const metadata = Object.freeze({ step: "error", ...told });
  const { key: variant, value } = served;
  const [enrolment, holdouts] = [null, NO_PLACES];
  return new Decision({
    flagKey,
    value,
    variant,
    reason: "ERROR",
    errorCode,
    errorMessage,
    metadata,
    enrolment,
    holdouts,
  });
}
