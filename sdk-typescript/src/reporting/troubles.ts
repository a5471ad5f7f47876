/** What goes wrong: remembered for `status`, said once per kind in the log. */

export interface Logger {
  warn(text: string): void;
}

export const CONSOLE: Logger = { warn: (text) => console.warn(`equipoise: ${text}`) };
const LARGEST_COUNT_OF_KINDS = 1_000;

export class Troubles {
  #last = new Map<string, string>();
  readonly #said = new Set<string>();

  constructor(readonly logger: Logger) {}

  /** The last trouble that is not over, or null. */
  get last(): string | null {
    return [...this.#last.values()].at(-1) ?? null;
  }

  /** Remember a trouble of the background; say it when it is the first of its kind since the last success. */
  note(kind: string, text: string): void {
    this.#last.delete(kind);
    this.#last.set(kind, text);
    this.say(kind, text);
  }

  /** This kind of work succeeds again. */
  over(kind: string): void {
    this.#last.delete(kind);
    this.#said.delete(kind);
  }

  /** Say a trouble of the application's own, once per kind. Never throws. */
  say(kind: string, text: string): void {
    if (this.#said.has(kind) || this.#said.size >= LARGEST_COUNT_OF_KINDS) return;
    this.#said.add(kind);
    try {
      this.logger.warn(text);
    } catch {
      // a logger that fails is the application's own trouble
    }
  }
}
