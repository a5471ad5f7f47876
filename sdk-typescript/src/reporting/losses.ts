/** Counts events that were lost, by cause, until the server has heard of them. */

/** Why an event was lost, in the words of the server. */
export type Loss = "queue_full" | "invalid" | "refused" | "closed";

/** What was lost and is told to the server: counts by cause, under an id that they keep until they arrive. */
export interface Losses {
  readonly batch: string;
  readonly dropped: Readonly<Record<string, number>>;
}

export class Ledger {
  readonly #lost = new Map<Loss, number>();
  readonly #told = new Map<string, number>();
  #telling: Losses | null = null;

  /** How many events were lost. */
  get dropped(): number {
    return [...this.#lost.values()].reduce((sum, count) => sum + count, 0);
  }

  drop(cause: Loss, count = 1): void {
    if (count > 0) this.#lost.set(cause, (this.#lost.get(cause) ?? 0) + count);
  }

  /** Return what was lost and has not arrived yet; the same again until `noteTold`. */
  untold(newId: () => string): Losses | null {
    if (this.#telling !== null) return this.#telling;
    const news = [...this.#lost].map(([cause, count]) => [cause, count - (this.#told.get(cause) ?? 0)] as const);
    const untold = news.filter(([, count]) => count > 0);
    if (untold.length > 0) this.#telling = { batch: newId(), dropped: Object.fromEntries(untold) };
    return this.#telling;
  }

  /** The server has counted these; of two requests that told the same, the second changes nothing. */
  noteTold(losses: Losses | null): void {
    if (losses === null || losses !== this.#telling) return;
    for (const [cause, count] of Object.entries(losses.dropped))
      this.#told.set(cause, (this.#told.get(cause) ?? 0) + count);
    this.#telling = null;
  }
}
