/** Sends batches of the outbox until each is accepted or refused for good. Never waited for by the application. */
import { isObject } from "../core/values.js";
import { batchOf } from "./events.js";
import type { Losses } from "./losses.js";
import type { Outbox } from "./outbox.js";
import { BackOff, later } from "./retries.js";
import type { Troubles } from "./troubles.js";

const LINGER_SECONDS = 0.5;
const WORTH_KEEPING = new Set([401, 403, 408, 425, 429]);

/** What a server said to a batch; null stands for no complete answer. */
export interface Verdict {
  readonly status: number;
  readonly body: string;
  readonly retryAfterSeconds: number | null;
}

/** Whether another attempt may succeed after this status; any other refusal is for good. */
export function isWorthKeeping(status: number): boolean {
  return WORTH_KEEPING.has(status) || status >= 500;
}

export type Deliver = (body: string) => Promise<Verdict | null>;

export class Sender {
  readonly #backOff: BackOff;
  #cancel: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  #isStopped = false;

  constructor(
    readonly outbox: Outbox,
    readonly deliver: Deliver,
    readonly troubles: Troubles,
    readonly outside: { readonly now: () => Date; readonly newId: () => string; readonly jitter: () => number },
  ) {
    this.#backOff = new BackOff(outside.jitter);
  }

  /** Send what is queued soon: others may join the batch. */
  nudge(): void {
    if (this.#cancel === null && this.#sending === null && !this.#isStopped) this.#schedule(LINGER_SECONDS);
  }

  /** Send now, and tell whether nothing is queued when that ends or the time runs out. */
  async drained(timeoutSeconds: number): Promise<boolean> {
    const work = this.#now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise((resolve) => (timer = setTimeout(resolve, timeoutSeconds * 1000)));
    await Promise.race([work, timeout]);
    clearTimeout(timer);
    return this.outbox.queued === 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  #schedule(seconds: number): void {
    if (this.#isStopped) return;
    this.#cancel = later(() => void this.#now(), seconds);
  }

  #now(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    this.#sending ??= this.#send().finally(() => (this.#sending = null));
    return this.#sending;
  }

  async #send(): Promise<void> {
    while (this.outbox.queued > 0) {
      const batch = this.outbox.next();
      const losses = this.outbox.losses(this.outside.newId);
      const verdict = await this.deliver(batchOf(batch, this.outside.now(), losses)).catch(() => null);
      if (verdict === null || isWorthKeeping(verdict.status)) {
        const told = verdict === null ? "the server cannot be reached" : `the server answered ${verdict.status}`;
        this.troubles.note("events", `events wait: ${told}`);
        this.#schedule(this.#backOff.failed(verdict?.retryAfterSeconds ?? null));
        return;
      }
      this.#settle(verdict, batch.length, losses);
    }
  }

  #settle(verdict: Verdict, count: number, losses: Losses | null): void {
    this.#backOff.succeeded();
    this.outbox.settle();
    if (verdict.status === 200) {
      this.outbox.noteTold(losses);
      this.troubles.over("events");
      this.#noteQuarantine(verdict.body);
    } else {
      this.outbox.drop("refused", count);
      this.troubles.note("refused", `${count} events dropped: the server answered ${verdict.status}`);
    }
  }

  /** Say that the server set events aside, with the first reason. */
  #noteQuarantine(body: string): void {
    const quarantined = quarantinedOf(body);
    const [first] = quarantined;
    if (first === undefined) return;
    const problems = isObject(first) ? JSON.stringify(first["problems"]) : "no reason";
    this.troubles.say("quarantine", `${quarantined.length} events were quarantined, the first for ${problems}`);
  }
}

function quarantinedOf(body: string): readonly unknown[] {
  try {
    const answer: unknown = JSON.parse(body);
    const found = isObject(answer) ? answer["quarantined"] : undefined;
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}
