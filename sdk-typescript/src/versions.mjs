/** Orders versions as semver.org 2.0.0 does; a leading "v" and absent minor or patch are accepted. */

const NUMBER = "(0|[1-9]\\d{0,14})";
const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const VERSION = new RegExp(
  `^[vV]?${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:-(${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?$`,
);
const LONGEST = 256;

/** @param {unknown} value @returns {{core: number[], identifiers: string[]} | null} */
export function version(value) {
  const match = typeof value === "string" && value.length <= LONGEST ? VERSION.exec(value) : null;
  if (!match) return null;
  const identifiers = match[4]?.split(".") ?? [];
  if (identifiers.some((part) => /^0\d+$/.test(part))) return null;
  return { core: match.slice(1, 4).map((part) => Number(part ?? 0)), identifiers };
}

/** @returns {number} below, at or above zero */
export function compareVersions(one, other) {
  for (let index = 0; index < 3; index++) {
    if (one.core[index] !== other.core[index]) return one.core[index] - other.core[index];
  }
  const [mine, theirs] = [one.identifiers, other.identifiers];
  if (mine.length === 0 || theirs.length === 0) return theirs.length - mine.length;
  for (let index = 0; index < Math.min(mine.length, theirs.length); index++) {
    const order = compareIdentifiers(mine[index], theirs[index]);
    if (order !== 0) return order;
  }
  return mine.length - theirs.length;
}

function compareIdentifiers(one, other) {
  const [isNumber, otherIsNumber] = [/^\d+$/.test(one), /^\d+$/.test(other)];
  if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
  if (isNumber && one.length !== other.length) return one.length - other.length;
  return one < other ? -1 : Number(one > other);
}
