/** Hears that other answers may hold, by server-sent events or else by the clock; says when to ask again. */
import { BackOff, later } from "../reporting/retries.js";

const SPREAD_SECONDS = 0.5; // over how long the pages of a server spread their questions after a change
const DEFAULT_INACTIVITY_SECONDS = 120;

/** What is needed of the page, so that tests and workers can bring their own. */
export interface Page {
  readonly EventSource: typeof EventSource | undefined;
  isHidden(): boolean;
  /** Call back when the page is shown or hidden. */
  onVisibility(listener: () => void): void;
}

export class Changes {
  #source: EventSource | null = null;
  #url: string | null = null;
  #inactivitySeconds = DEFAULT_INACTIVITY_SECONDS;
  #cancels = new Set<() => void>();
  #isClosed = false;
  #wasOpen = false;
  #isAsking = false;
  readonly #backOff: BackOff;

  constructor(
    readonly page: Page,
    readonly ask: () => void,
    readonly pollSeconds: number,
    readonly jitter: () => number,
  ) {
    this.#backOff = new BackOff(jitter);
    page.onVisibility(() => this.#turn());
    this.#poll();
  }

  get isStreaming(): boolean {
    return this.#source?.readyState === 1;
  }

  /** Listen where the server says; the address is a secret of this page. */
  listen(url: string | null, inactivitySeconds = DEFAULT_INACTIVITY_SECONDS): void {
    this.#inactivitySeconds = inactivitySeconds;
    if (url === this.#url && this.#source !== null) return;
    this.#url = url;
    this.#open();
  }

  /** Listen again at the known address, after the browser gave up and the server has answered. */
  resume(): void {
    if (this.#source === null) this.#open();
  }

  close(): void {
    this.#isClosed = true;
    this.#end();
    for (const cancel of this.#cancels) cancel();
  }

  #open(): void {
    this.#end();
    const { EventSource } = this.page;
    if (this.#url === null || EventSource === undefined || this.#isClosed || this.page.isHidden()) return;
    const source = new EventSource(this.#url);
    this.#source = source;
    source.onopen = () => {
      if (this.#wasOpen) this.#askSoon(); // whatever was said meanwhile was missed
      this.#wasOpen = true;
      this.#backOff.succeeded();
    };
    source.onmessage = (event: MessageEvent<unknown>) => {
      if (String(event.data).includes("refetchEvaluation")) this.#askSoon();
    };
    source.onerror = () => {
      if (source.readyState === 2) this.#after(this.#backOff.failed(null), () => this.#lost());
    };
  }

  /** The browser gave up: the address may be of no use any more, and the next answer has another one. */
  #lost(): void {
    if (this.#source?.readyState !== 2) return;
    this.#end();
    this.ask();
  }

  #end(): void {
    this.#source?.close();
    this.#source = null;
  }

  #askSoon(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#after(this.jitter() * SPREAD_SECONDS, () => {
      this.#isAsking = false;
      this.ask();
    });
  }

  /** A hidden page stops listening after a while; a page that is shown again asks. */
  #turn(): void {
    if (this.page.isHidden()) {
      this.#after(this.#inactivitySeconds, () => (this.page.isHidden() ? this.#end() : undefined));
    } else if (this.#source === null) {
      this.#open();
      this.ask();
    }
  }

  #poll(): void {
    if (this.pollSeconds <= 0) return;
    this.#after(this.pollSeconds * (0.9 + 0.2 * this.jitter()), () => {
      if (!this.isStreaming && !this.page.isHidden()) this.ask();
      this.#poll();
    });
  }

  #after(seconds: number, work: () => void): void {
    if (this.#isClosed) return;
    const cancel = later(() => {
      this.#cancels.delete(cancel);
      if (!this.#isClosed) work();
    }, seconds);
    this.#cancels.add(cancel);
  }
}
