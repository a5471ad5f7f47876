/** Writes exposures and tracks as JSON (spec/schemas/events.schema.json); refuses what is not one. */
import type { Enrolment } from "../core/decisions.js";
import { canonicalUnit } from "../core/hashing.js";
import type { Losses } from "./losses.js";
import { isObject, type Context, type Scalar, type Table } from "../core/values.js";

const LONGEST_NAME = 200;

/** An event without its "id" and "at". */
export type Report = Table & { readonly kind: "exposure" | "track" };

export interface ExposureDetails {
  readonly flag: string;
  readonly revision: unknown;
  readonly differs: boolean | undefined;
  readonly attributes: Readonly<Record<string, Scalar>>;
}

export interface TrackDetails {
  /** A finite number, such as an amount. */
  readonly value?: number;
  /** What else is worth knowing; JSON. */
  readonly properties?: Table;
}

export function exposure(place: Enrolment, details: ExposureDetails): Report {
  const { differs, attributes } = details;
  const { clusterType, cluster, token } = place;
  return {
    kind: "exposure",
    experiment: place.experiment,
    iteration: place.iteration,
    flag: details.flag,
    variant: place.arm,
    unit_type: place.unitType,
    unit: place.unit,
    revision: details.revision,
    ...(clusterType === undefined || cluster === undefined ? {} : { cluster_type: clusterType, cluster }),
    ...(differs === undefined ? {} : { differs }),
    ...(token === undefined ? {} : { token }),
    ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
  };
}

/** @throws {TypeError} lists everything that is wrong with the arguments */
export function track(name: unknown, context: Context, details: TrackDetails): Report {
  const units = usableUnits(context);
  const { value, properties } = details;
  const isNamed = typeof name === "string" && name.length >= 1 && name.length <= LONGEST_NAME;
  const problems = [
    ...(isNamed ? [] : [`the event name must be text of 1 to ${LONGEST_NAME} characters`]),
    ...(Object.keys(units).length > 0 ? [] : ["the context must have at least one usable unit"]),
    ...(value === undefined || Number.isFinite(value) ? [] : ["value must be a finite number"]),
    ...(properties === undefined || isObject(properties) ? [] : ["properties must be an object"]),
  ];
  if (problems.length > 0) throw new TypeError(problems.join("; "));
  return {
    kind: "track",
    name,
    units,
    ...(value === undefined ? {} : { value }),
    ...(properties === undefined ? {} : { properties }),
  };
}

/** Return the units of a context that can be randomised or counted, canonically written. */
export function usableUnits(context: unknown): Readonly<Record<string, string>> {
  const units = isObject(context) ? context["units"] : undefined;
  const pairs = isObject(units) ? Object.entries(units) : [];
  return Object.fromEntries(
    pairs.flatMap(([type, id]) => {
      const unit = canonicalUnit(id);
      return unit === null ? [] : [[type, unit]];
    }),
  );
}

/** Return the attributes that may leave the application: those named, and only scalars. */
export function chosenAttributes(attributes: unknown, names: readonly string[]): Readonly<Record<string, Scalar>> {
  if (names.length === 0 || !isObject(attributes)) return {};
  const chosen = names.map((name) => [name, attributes[name]] as const);
  return Object.fromEntries(chosen.filter((pair): pair is [string, Scalar] => isScalar(pair[1])));
}

function isScalar(value: unknown): value is Scalar {
  return (
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
  );
}

/** @throws {TypeError} for what is no time, or beyond what can be reported */
export function rfc3339(at: unknown): string {
  const year = at instanceof Date ? at.getUTCFullYear() : NaN;
  if (!(at instanceof Date) || !(year >= 0 && year <= 9999))
    throw new TypeError("at must be a Date in the years 0 to 9999");
  return at.toISOString();
}

/** @throws {TypeError} when something in it has no JSON form */
export function encoded(report: Report, id: string, at: Date): string {
  return JSON.stringify({ id, at: rfc3339(at), ...report });
}

/** Return the body of `POST /v1/events`, with what was lost since the last that arrived. */
export function batchOf(events: readonly string[], sentAt: Date, losses: Losses | null = null): string {
  const told = losses === null ? "" : `${JSON.stringify(losses).slice(1, -1)},`;
  return `{"sent_at":"${rfc3339(sentAt)}",${told}"events":[${events.join(",")}]}`;
}
