/** Reads points in time: RFC 3339 text or epoch seconds → whole milliseconds since 1970. */

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2})))?$/;
const EARLIEST_SECONDS = -62_167_219_200;
const LATEST_SECONDS = 253_402_300_799;

/** Return milliseconds, or null for what is no instant. */
export function milliseconds(value: unknown): number | null {
  if (typeof value === "string") return fromText(value);
  if (typeof value !== "number" || !(value >= EARLIEST_SECONDS && value <= LATEST_SECONDS)) return null;
  return Math.floor(value * 1000);
}

function fromText(text: string): number | null {
  const match = RFC_3339.exec(text);
  if (!match) return null;
  const part = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day] = [part(1), part(2), part(3)];
  const [hour, minute, second, awayHours, awayMinutes] = [part(4), part(5), part(6), part(9), part(10)];
  if (Math.max(hour, awayHours) > 23 || Math.max(minute, second, awayMinutes) > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const away = (awayHours * 60 + awayMinutes) * (match[8] === "-" ? -1 : 1);
  const seconds = (hour * 60 + minute - away) * 60 + second;
  return date.getTime() + seconds * 1000 + Number(`${match[7] ?? ""}000`.slice(0, 3));
}
