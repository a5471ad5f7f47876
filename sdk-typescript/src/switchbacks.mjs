/** Reads the schedules of switchbacks: which arm a region has in which window of time. */
import { canonicalUnit } from "./hashing.mjs";
import { milliseconds } from "./instants.mjs";
import { Reader } from "./reading.mjs";

const LONGEST_WINDOW_SECONDS = 31 * 86_400;
const LARGEST_WINDOW_COUNT = 100_000;
const LONGEST_REGION_BYTES = 240;

/** @returns {{start: number, window: number, burnIn: number, count: number, arms: Record<string, string>}} */
export function readSwitchback(outer, armCount) {
  const known = ["starts_at", "window_seconds", "burn_in_seconds", "schedule"];
  const reader = new Reader(outer.get("switchback"), `${outer.path}/switchback`, outer.problems, known);
  const start = milliseconds(reader.text("starts_at"));
  if (start === null) reader.senseless("starts_at", "must be an RFC 3339 date");
  const window = reader.integer("window_seconds", 1, LONGEST_WINDOW_SECONDS);
  const burnIn = reader.integer("burn_in_seconds", 0, LONGEST_WINDOW_SECONDS);
  if (burnIn >= window) reader.senseless("burn_in_seconds", "must be shorter than the window");
  const arms = reader.table("schedule");
  const rows = Object.values(arms);
  const count = typeof rows[0] === "string" ? rows[0].length : 0;
  const isRow = (row) => typeof row === "string" && /^[0-9]+$/.test(row) && row.length === count;
  const isKnown = (row) => Array.from(row).every((arm) => Number(arm) < armCount);
  if (count === 0 || count > LARGEST_WINDOW_COUNT || !rows.every(isRow)) {
    reader.malformed("schedule", "must give each region a digit for each window, and name a region");
  } else if (!rows.every(isKnown)) reader.senseless("schedule", "must name arms by their index");
  if (!Object.keys(arms).every(isRegion)) reader.senseless("schedule", "must name regions by short unit ids");
  return { start, window: window * 1000, burnIn: burnIn * 1000, count, arms };
}

function isRegion(region) {
  return canonicalUnit(region) !== null && new TextEncoder().encode(region).length <= LONGEST_REGION_BYTES;
}
