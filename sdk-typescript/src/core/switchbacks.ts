/** Reads the schedules of switchbacks: which arm a region has in which window of time. */
import { canonicalUnit } from "./hashing.js";
import { milliseconds } from "./instants.js";
import { Reader } from "./reading.js";

const LONGEST_WINDOW_SECONDS = 31 * 86_400;
const LARGEST_WINDOW_COUNT = 100_000;
const LONGEST_REGION_BYTES = 240;
const ROW = /^[0-9]+$/;

export interface Window {
  readonly index: number;
  readonly isBurnIn: boolean;
}

/** Times are in milliseconds. */
export class Switchback {
  constructor(
    readonly start: number,
    readonly window: number,
    readonly burnIn: number,
    readonly arms: ReadonlyMap<string, string>,
  ) {}

  /** Return the window that a time lies in; null before the first and after the last. */
  windowAt(now: number): Window | null {
    const index = Math.floor((now - this.start) / this.window);
    const count = this.arms.values().next().value?.length ?? 0;
    if (index < 0 || index >= count) return null;
    return { index, isBurnIn: now - this.start - index * this.window < this.burnIn };
  }

  /** Return the index of a region's arm in a window of the schedule. */
  armOf(region: string, window: Window): number {
    return Number(this.arms.get(region)?.[window.index]);
  }
}

export function readSwitchback(outer: Reader, armCount: number): Switchback {
  const known = ["starts_at", "window_seconds", "burn_in_seconds", "schedule"];
  const reader = new Reader(outer.get("switchback"), `${outer.path}/switchback`, outer.problems, known);
  const start = milliseconds(reader.text("starts_at"));
  if (start === null) reader.senseless("starts_at", "must be an RFC 3339 date");
  const window = reader.integer("window_seconds", 1, LONGEST_WINDOW_SECONDS);
  const burnIn = reader.integer("burn_in_seconds", 0, LONGEST_WINDOW_SECONDS);
  if (burnIn >= window) reader.senseless("burn_in_seconds", "must be shorter than the window");
  return new Switchback(start ?? 0, window * 1000, burnIn * 1000, readSchedule(reader, armCount));
}

function readSchedule(reader: Reader, armCount: number): ReadonlyMap<string, string> {
  const rows = Object.entries(reader.table("schedule"));
  const usable = rows.filter((row): row is [string, string] => typeof row[1] === "string" && ROW.test(row[1]));
  const count = usable[0]?.[1].length ?? 0;
  const areEven = usable.length === rows.length && usable.every(([, row]) => row.length === count);
  if (!areEven || count === 0 || count > LARGEST_WINDOW_COUNT) {
    reader.malformed("schedule", "must give each region a digit for each window, and name a region");
  } else if (!usable.every(([, row]) => Array.from(row).every((arm) => Number(arm) < armCount))) {
    reader.senseless("schedule", "must name arms by their index");
  }
  if (!rows.every(([region]) => isRegion(region))) {
    reader.senseless("schedule", "must name regions by short unit ids");
  }
  return new Map(usable);
}

function isRegion(region: string): boolean {
  return canonicalUnit(region) !== null && new TextEncoder().encode(region).length <= LONGEST_REGION_BYTES;
}
