/** Reads what a server evaluated for one context (OFREP 0.3, bulk); distrusts its form. */
import { failure, Decision, type ErrorCode, type Metadata, type Reason } from "../core/decisions.js";
import { copied, isObject, type Table } from "../core/values.js";
import { placesIn } from "../reporting/places.js";

/** One flag's answer; without a variant it is an error. */
export interface Item {
  readonly key: string;
  readonly value?: unknown;
  readonly variant?: string;
  readonly reason?: string;
  readonly errorCode?: string;
  readonly errorDetails?: string;
  readonly metadata?: Metadata;
}

/** The answer for all flags: what the server sends, what is kept for the next session, what a page brings along. */
export interface Answers {
  readonly flags: readonly Item[];
  readonly eventStreams?: readonly {
    readonly type?: string;
    readonly url?: string;
    readonly inactivityDelaySec?: number;
  }[];
}

/** Return answers, or null for what is none. */
export function readAnswers(node: unknown): Answers | null {
  if (!isObject(node) || !Array.isArray(node["flags"])) return null;
  const flags = node["flags"].filter((item): item is Item => isObject(item) && typeof item["key"] === "string");
  const streams = Array.isArray(node["eventStreams"]) ? node["eventStreams"].filter(isObject) : [];
  return { flags, eventStreams: streams };
}

/** Whether an answer says that something is killed: that applies at once, whatever the session shows. */
export function isKilled(item: Item): boolean {
  return item.metadata?.["kill_level"] !== undefined;
}

/** Return the decision that an answer amounts to. */
export function decisionOf(item: Item | undefined, key: string, fallback: unknown, units: Table): Decision {
  if (item === undefined) {
    const told = "the server knows no such flag";
    return failure(key, "FLAG_NOT_FOUND", told, {}).orDefault(fallback);
  }
  const metadata = isObject(item.metadata) ? item.metadata : {};
  if (item.errorCode !== undefined || item.value === undefined || item.value === null) {
    const code = (item.errorCode ?? "GENERAL") as ErrorCode;
    return failure(key, code, item.errorDetails ?? "there is no value", metadata).orDefault(fallback);
  }
  if (fallback !== null && fallback !== undefined && typeof fallback !== typeof item.value) {
    const told = `the flag is of type ${typeof item.value}`;
    return failure(key, "TYPE_MISMATCH", told, metadata).orDefault(fallback);
  }
  const places = placesIn(metadata, units);
  const enrolment = places.find((place) => place.experiment === metadata["experiment.key"]) ?? null;
  return new Decision({
    flagKey: key,
    value: copied(item.value),
    variant: item.variant ?? "",
    reason: (item.reason ?? "DEFAULT") as Reason,
    errorCode: null,
    errorMessage: null,
    metadata,
    enrolment,
    holdouts: places.filter((place) => place !== enrolment),
  });
}
