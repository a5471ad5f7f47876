/** Holds events until they are sent: bounded, counting what it drops, tracks before exposures. */
import { Ledger, type Loss, type Losses } from "./losses.js";

const BATCH_SIZE = 500;
const BATCH_LETTERS = 300_000; // at most 3 bytes each: below the server's limit of a million

export class Outbox {
  readonly #ledger = new Ledger();
  #exposures: string[] = [];
  #tracks: string[] = [];
  #leaving: string[] = [];
  #isClosed = false;
  constructor(readonly size: number) {}

  /** How many events were lost. */
  get dropped(): number {
    return this.#ledger.dropped;
  }

  /** Return what was lost and has not arrived yet; the same again until `noteTold`. */
  losses(newId: () => string): Losses | null {
    return this.#ledger.untold(newId);
  }

  /** The server has counted the losses that were on their way. */
  noteTold(losses: Losses | null): void {
    this.#ledger.noteTold(losses);
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
    this.#ledger.drop(cause, count);
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
