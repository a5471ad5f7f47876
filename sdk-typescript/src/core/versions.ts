/** Orders versions as semver.org 2.0.0 does; a leading "v" and absent minor or patch are accepted. */

const NUMBER = "(0|[1-9]\\d{0,14})";
const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const VERSION = new RegExp(
  `^[vV]?${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:-(${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?$`,
);
const LONGEST = 256;

export interface Version {
  readonly core: readonly number[];
  readonly identifiers: readonly string[];
}

/** Return a version, or null for what is none. */
export function version(value: unknown): Version | null {
  const match = typeof value === "string" && value.length <= LONGEST ? VERSION.exec(value) : null;
  if (!match) return null;
  const identifiers = match[4]?.split(".") ?? [];
  if (identifiers.some((part) => /^0\d+$/.test(part))) return null;
  return { core: match.slice(1, 4).map((part) => Number(part ?? 0)), identifiers };
}

/** Return a number below, at or above zero. */
export function compareVersions(one: Version, other: Version): number {
  for (const [index, part] of one.core.entries()) {
    const difference = part - (other.core[index] ?? 0);
    if (difference !== 0) return difference;
  }
  const [mine, theirs] = [one.identifiers, other.identifiers];
  if (mine.length === 0 || theirs.length === 0) return theirs.length - mine.length;
  for (const [index, part] of mine.entries()) {
    const counterpart = theirs[index];
    if (counterpart === undefined) break;
    const order = compareIdentifiers(part, counterpart);
    if (order !== 0) return order;
  }
  return mine.length - theirs.length;
}

function compareIdentifiers(one: string, other: string): number {
  const [isNumber, otherIsNumber] = [/^\d+$/.test(one), /^\d+$/.test(other)];
  if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
  if (isNumber && one.length !== other.length) return one.length - other.length;
  return one < other ? -1 : Number(one > other);
}
