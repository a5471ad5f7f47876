/** Keeps answers and unsent events between sessions, in localStorage where there is one. */
import { canonicalJson } from "../core/canonical.js";
import { hashUnit } from "../core/hashing.js";
import { isObject } from "../core/values.js";
import { readAnswers, type Answers } from "./answers.js";

const LONGEST_MILLISECONDS = 30 * 86_400_000;

/** What is needed of `localStorage`. */
export interface Store {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
  removeItem(name: string): void;
}

export interface Kept {
  readonly answers: Answers;
  readonly etag: string | null;
}

/** One place per server and key; its answers are those of the units that were asked for last. Never throws. */
export class Storage {
  readonly #name: string;

  constructor(
    readonly store: Store | null,
    serverUrl: string,
    key: string,
  ) {
    this.#name = `equipoise:${digest([serverUrl, key])}`;
  }

  /** Return what was kept for these units, unless it is too old. */
  load(units: unknown, now: number): Kept | null {
    const kept = parsed(this.#read(this.#name));
    if (!isObject(kept) || kept["of"] !== digest(units)) return null;
    const at = Number(kept["at"]);
    const answers = readAnswers(kept["answers"]);
    const isFresh = at <= now && now - at < LONGEST_MILLISECONDS;
    return answers !== null && isFresh
      ? { answers, etag: typeof kept["etag"] === "string" ? kept["etag"] : null }
      : null;
  }

  keep(units: unknown, { answers, etag }: Kept, now: number): void {
    this.#write(this.#name, JSON.stringify({ of: digest(units), at: now, etag, answers }));
  }

  /** Return the events that the last session could not send, and forget them here. */
  takeEvents(): readonly string[] {
    const kept = parsed(this.#read(`${this.#name}:events`));
    this.keepEvents([]);
    return Array.isArray(kept) ? kept.filter((event) => typeof event === "string") : [];
  }

  keepEvents(events: readonly string[]): void {
    this.#write(`${this.#name}:events`, events.length > 0 ? JSON.stringify(events) : null);
  }

  #read(name: string): string | null {
    try {
      return this.store?.getItem(name) ?? null;
    } catch {
      return null; // a page may be forbidden to look
    }
  }

  #write(name: string, text: string | null): void {
    try {
      if (text === null) this.store?.removeItem(name);
      else this.store?.setItem(name, text);
    } catch {
      // full or forbidden: the next session begins without
    }
  }
}

function digest(content: unknown): string {
  const text = canonicalJson(content).slice(0, 10_000);
  return `${hashUnit("one", text).toString(36)}${hashUnit("two", text).toString(36)}`;
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
