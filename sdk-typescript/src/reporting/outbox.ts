/** Holds events until they are sent: bounded, counting what it drops, tracks before exposures. */

const BATCH_SIZE = 500;
const BATCH_LETTERS = 300_000; // at most 3 bytes each: below the server's limit of a million

export class Outbox {
  #exposures: string[] = [];
  #tracks: string[] = [];
  #leaving: string[] = [];
  #isClosed = false;
  dropped = 0;

  constructor(readonly size: number) {}

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
      this.dropped += 1;
      return false;
    }
    if (makesRoom) {
      this.#tracks.shift();
      this.dropped += 1;
    }
    (kind === "exposure" ? this.#exposures : this.#tracks).push(event);
    return true;
  }

  /** Count events that could not be written or were refused. */
  drop(count = 1): void {
    this.dropped += count;
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
    this.dropped += this.queued;
    [this.#exposures, this.#tracks, this.#leaving] = [[], [], []];
  }
}
