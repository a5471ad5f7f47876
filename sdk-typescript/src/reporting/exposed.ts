/** Remembers the exposures that were sent, up to a number, and when the earliest was. */
import type { Enrolment } from "../core/decisions.js";

const REMEMBERED = 50_000;

/** The identity of an exposure in the courtesy of not sending it twice. */
export function exposureKey(place: Enrolment, differs: boolean | undefined): string {
  const { experiment, iteration, arm, unitType, unit } = place;
  return JSON.stringify([experiment, iteration, arm, unitType, unit, differs ?? null]);
}

export class Exposed {
  readonly #earliest = new Map<string, number>();

  constructor(readonly size: number = REMEMBERED) {}

  /** Tell whether an exposure is to be sent, and remember it: first, or earlier than known. Live ones come in order. */
  isNews(key: string, at: number, isLive: boolean): boolean {
    const known = this.#earliest.get(key);
    const isNews = known === undefined || (!isLive && at < known);
    this.#earliest.delete(key);
    this.#earliest.set(key, isNews ? at : known);
    const [oldest] = this.#earliest.keys();
    if (this.#earliest.size > this.size && oldest !== undefined) this.#earliest.delete(oldest);
    return isNews;
  }

  /** Let an exposure be sent again, because it was dropped. */
  forget(key: string): void {
    this.#earliest.delete(key);
  }
}
