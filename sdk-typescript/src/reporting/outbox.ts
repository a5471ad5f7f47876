/** Holds events until they are sent: bounded, counting what it drops, tracks before exposures. */

const BATCH_SIZE = 500;
const BATCH_LETTERS = 300_000; // at most 3 bytes each: below the server's limit of a million

/** Why an event was lost, in the words of the server. */
export type Loss = "queue_full" | "invalid" | "refused" | "closed";

/** What was lost and is told to the server: counts by cause, under an id that they keep until they arrive. */
export interface Losses {
  readonly batch: string;
  readonly dropped: Readonly<Record<string, number>>;
}

export class Outbox {
  readonly #lost = new Map<Loss, number>();
  readonly #told = new Map<string, number>();
  #telling: Losses | null = null;
  #exposures: string[] = [];
  #tracks: string[] = [];
  #leaving: string[] = [];
  #isClosed = false;
  constructor(readonly size: number) {}

  /** How many events were lost. */
  get dropped(): number {
    return [...this.#lost.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Return what was lost and has not arrived yet; the same again until `noteTold`. */
  losses(newId: () => string): Losses | null {
    if (this.#telling !== null) return this.#telling;
    const news = [...this.#lost].map(([cause, count]) => [cause, count - (this.#told.get(cause) ?? 0)] as const);
    const untold = news.filter(([, count]) => count > 0);
    if (untold.length > 0) this.#telling = { batch: newId(), dropped: Object.fromEntries(untold) };
    return this.#telling;
  }

  /** The server has counted the losses that were on their way. */
  noteTold(): void {
    for (const [cause, count] of Object.entries(this.#telling?.dropped ?? {}))
      this.#told.set(cause, (this.#told.get(cause) ?? 0) + count);
    this.#telling = null;
  }

  /** How many events wait, those of the batch on its way included. */
  get queued(): number {
    return this.#exposures.length + this.#tracks.length + this.#leaving.length;
  }

  /** The events that wait, exposures first. */
  get waiting(): readonly string[] {
    return [...this.#leaving, ...this.#exposures, ...this.#tracks];
  }

  /** Queue an event, an exposure at the cost of the oldest track; false: it was dropped. */
  put(kind: "exposure" | "track", event: string): boolean {
    const isFull = this.queued >= this.size;
    const makesRoom = isFull && kind === "exposure" && this.#tracks.length > 0;
    if (this.#isClosed || (isFull && !makesRoom)) {
      this.drop(this.#isClosed ? "closed" : "queue_full");
      return false;
    }
    if (makesRoom) {
      this.#tracks.shift();
      this.drop("queue_full");
    }
    (kind === "exposure" ? this.#exposures : this.#tracks).push(event);
    return true;
  }

  /** Count events that could not be written or were refused. */
  drop(cause: Loss, count = 1): void {
    if (count > 0) this.#lost.set(cause, (this.#lost.get(cause) ?? 0) + count);
  }

  /** Return the batch to send, exposures first; one that is not settled is returned again. */
  next(): readonly string[] {
    if (this.#leaving.length > 0) return this.#leaving;
    let letters = 0;
    const fits = (event: string): boolean =>
      this.#leaving.length === 0 || (this.#leaving.length < BATCH_SIZE && letters + event.length <= BATCH_LETTERS);
    for (const queue of [this.#exposures, this.#tracks]) {
      while (queue[0] !== undefined && fits(queue[0])) {
        letters += queue[0].length;
        this.#leaving.push(queue.shift() as string);
      }
    }
    return this.#leaving;
  }

  /** Forget the batch on its way: it arrived, or was refused for good. */
  settle(): void {
    this.#leaving = [];
  }

  /** Take no more events. */
  close(): void {
    this.#isClosed = true;
  }

  /** Count what was never sent as dropped. */
  abandon(): void {
    this.drop("closed", this.queued);
    [this.#exposures, this.#tracks, this.#leaving] = [[], [], []];
  }
}
