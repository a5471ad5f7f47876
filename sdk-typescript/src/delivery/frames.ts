/** Reads server-sent events (WHATWG HTML, 9.2) and what ours mean. Pure; distrusts every byte. */
import { isObject } from "../core/values.js";

const LARGEST_EVENT = 2 ** 16;
const LONGEST_RETRY_SECONDS = 60;
const LINE_END = /\r\n|\n|\r(?!$)/;
const LEVELS = ["environment", "group", "flag", "experiment"] as const;

/** Epoch and revision; later ones are greater. */
export type Moment = readonly [number, number];

export type Level = (typeof LEVELS)[number];

/** From a revision on this is killed. */
export interface Kill {
  readonly kind: "kill";
  readonly level: Level;
  /** "" for the environment. */
  readonly key: string;
  readonly moment: Moment;
}

/** The environment is at this revision. */
export interface Revision {
  readonly kind: "revision";
  readonly moment: Moment;
}

/** The stream does not say what ours say; it is left, and what serves stays. */
export class BadFrame extends Error {
  override readonly name = "BadFrame";
}

export function isLater(one: Moment, other: Moment): boolean {
  return one[0] > other[0] || (one[0] === other[0] && one[1] > other[1]);
}

/** Takes bytes as they come; gives what they say once it is whole. */
export class Frames {
  retrySeconds: number | null = null;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";
  #name = "";
  #data: string[] = [];
  #size = 0;

  /** @throws {BadFrame} when an event of ours is malformed, or anything is too long */
  *feed(received: Uint8Array): Generator<Kill | Revision> {
    const lines = (this.#rest + this.#decoded(received)).split(LINE_END);
    this.#rest = lines.pop() ?? "";
    for (const line of [...lines, this.#rest]) {
      if (line.length > LARGEST_EVENT) throw new BadFrame("a line is too long");
    }
    for (const line of lines) {
      if (line !== "") this.#take(line);
      else {
        const told = this.#dispatch();
        if (told !== null) yield told;
      }
    }
  }

  #decoded(received: Uint8Array): string {
    try {
      return this.#decoder.decode(received, { stream: true });
    } catch {
      throw new BadFrame("an event is not UTF-8");
    }
  }

  #take(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") {
      this.#size += value.length;
      if (this.#size > LARGEST_EVENT) throw new BadFrame("an event is too long");
      this.#data.push(value);
    } else if (field === "retry" && /^\d{1,9}$/.test(value)) {
      this.retrySeconds = Math.min(Number(value) / 1000, LONGEST_RETRY_SECONDS);
    }
  }

  #dispatch(): Kill | Revision | null {
    const [name, text] = [this.#name, this.#data.join("\n")];
    [this.#name, this.#data, this.#size] = ["", [], 0];
    return name === "revision" || name === "kill" ? read(name, text) : null;
  }
}

function read(name: "revision" | "kill", text: string): Kill | Revision | null {
  const content = parsed(name, text);
  const moment = [count(content["epoch"]), count(content["revision"])] as const;
  if (name === "revision") return { kind: name, moment };
  const level = LEVELS.find((known) => known === content["level"]);
  if (level === undefined) return null; // of a later server; its revision follows
  const key = level === "environment" ? "" : content[level];
  if (typeof key !== "string") throw new BadFrame(`a kill does not name its ${level}`);
  return { kind: name, level, key, moment };
}

function parsed(name: string, text: string): Readonly<Record<string, unknown>> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new BadFrame(`a ${name} is not JSON`);
  }
  if (!isObject(content)) throw new BadFrame(`a ${name} is not an object`);
  return content;
}

function count(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new BadFrame("an event has no epoch and revision");
}
