/** Shares of units: gates of experiments, rollouts and holdouts. */
import { hasher, PARTS, threshold } from "./hashing.js";
import type { Reader } from "./reading.js";

export interface Gate {
  readonly salt: string;
  readonly parts: number;
}

/** Read salt and share from a reader of the body that has them. */
export function readGate(reader: Reader): Gate {
  return { salt: reader.salt("salt"), parts: reader.integer("parts_per_million", 0, PARTS) };
}

/** Tell whether a unit is among the share that a gate lets pass. */
export function passage(gate: Gate): (unit: string) => boolean {
  const [hash, limit] = [hasher(gate.salt), threshold(gate.parts, PARTS)];
  return (unit) => hash(unit) < limit;
}
