/** The operators of clauses, each with what its constant must be (spec/evaluation.md, "Conditions"). */
import { milliseconds } from "./instants.js";
import type { Reader } from "./reading.js";
import { compareVersions, version } from "./versions.js";

type Holds = (value: unknown) => boolean;

/** Takes the constant of a clause and notes what is wrong with it. */
type Operator = (reader: Reader) => Holds;

const NEVER: Holds = () => false;

function isExact(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** Return the constant, or undefined after noting what it must be. */
function constant<T>(
  reader: Reader,
  member: "value" | "values",
  fits: (value: unknown) => value is T,
  wanted: string,
): T | undefined {
  const other = member === "value" ? "values" : "value";
  if (reader.has(other)) reader.senseless(other, "does not belong to this operator");
  const value = reader.get(member);
  if (fits(value)) return value;
  reader.senseless(member, `must be ${wanted}`);
  return undefined;
}

function equals(reader: Reader): Holds {
  const fits = (value: unknown): value is string | boolean | number =>
    typeof value === "string" || typeof value === "boolean" || isExact(value);
  const wanted = constant(reader, "value", fits, "a string, a boolean or an exact number");
  return (value) => value === wanted;
}

function areTexts(values: unknown): values is string[] {
  return Array.isArray(values) && values.every((value) => typeof value === "string");
}

function among(reader: Reader): Holds {
  const fits = (values: unknown): values is unknown[] =>
    areTexts(values) || (Array.isArray(values) && values.every(isExact));
  const wanted = new Set(constant(reader, "values", fits, "all strings, or all exact numbers"));
  return (value) => wanted.has(value);
}

function number(compare: (value: number, limit: number) => boolean): Operator {
  return (reader) => {
    const limit = constant(reader, "value", isExact, "an exact number");
    return limit === undefined ? NEVER : (value) => typeof value === "number" && compare(value, limit);
  };
}

function text(matches: (value: string, part: string) => boolean): Operator {
  return (reader) => {
    const parts = constant(reader, "values", areTexts, "an array of strings") ?? [];
    return (value) => typeof value === "string" && parts.some((part) => matches(value, part));
  };
}

/** Order what both sides parse to; `compare` gives a number below, at or above zero. */
function parsed<T>(parse: (value: unknown) => T | null, compare: (one: T, other: T) => number, wanted: string) {
  const isText = (value: unknown): value is string => typeof value === "string" && parse(value) !== null;
  return (accepts: (order: number) => boolean): Operator =>
    (reader) => {
      const limit = parse(constant(reader, "value", isText, wanted));
      if (limit === null) return NEVER;
      return (value) => {
        const given = parse(value);
        return given !== null && accepts(compare(given, limit));
      };
    };
}

const semver = parsed(version, compareVersions, "a version such as 1.4.0");
const instant = parsed(milliseconds, (one, other) => one - other, "an RFC 3339 date");

function isSet(reader: Reader): Holds {
  const fits = (value: unknown): value is undefined => value === undefined;
  constant(reader, "value", fits, "absent");
  return (value) => value !== undefined && value !== null;
}

export const OPERATORS: Readonly<Record<string, Operator>> = {
  equals,
  in: among,
  greater: number((value, limit) => value > limit),
  greater_or_equal: number((value, limit) => value >= limit),
  less: number((value, limit) => value < limit),
  less_or_equal: number((value, limit) => value <= limit),
  starts_with: text((value, part) => value.startsWith(part)),
  ends_with: text((value, part) => value.endsWith(part)),
  contains: text((value, part) => value.includes(part)),
  semver_equals: semver((order) => order === 0),
  semver_greater: semver((order) => order > 0),
  semver_greater_or_equal: semver((order) => order >= 0),
  semver_less: semver((order) => order < 0),
  semver_less_or_equal: semver((order) => order <= 0),
  before: instant((order) => order < 0),
  after: instant((order) => order > 0),
  is_set: isSet,
};
