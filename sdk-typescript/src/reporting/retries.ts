/** How long to wait before the next attempt: full jitter from one second to a minute. */

/** What waits in the background must not keep a process alive. */
export function later(work: () => void, seconds: number): () => void {
  const timer = setTimeout(work, seconds * 1000) as unknown;
  if (typeof timer === "object" && timer !== null) (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer as number);
}

export class BackOff {
  #failures = 0;

  constructor(
    readonly jitter: () => number,
    readonly longestSeconds = 60,
  ) {}

  /** Begin again at one second. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Return the seconds to wait; what the server asked for is a lower bound. */
  failed(retryAfterSeconds: number | null): number {
    const ceiling = Math.min(this.longestSeconds, 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    return (retryAfterSeconds ?? 0) + this.jitter() * ceiling;
  }
}

/** Read `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). */
export function patience(header: string | null, now: number): number | null {
  const text = header?.trim() ?? "";
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - now) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 600) : null;
}
