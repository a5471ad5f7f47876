/** Holds a stream open: applies kills at once, and says when a newer snapshot is worth asking for. */
import { BackOff } from "../reporting/retries.js";
import type { Troubles } from "../reporting/troubles.js";
import { Frames, isLater, type Kill, type Moment, type Revision } from "../delivery/frames.js";
import type { Keeper } from "../delivery/keeper.js";
import type { Settings } from "./settings.js";
import { OpenStream, type Transport } from "./transport.js";

const LONGEST_WAIT_SECONDS = 30;
const STEADY_AFTER_READS = 2; // a stream that said something after its first words is worth a quick return
const BEFORE_ALL: Moment = [-1, -1];

/** The server answered with something else than a stream; it may have asked for patience. */
class NoStream extends Error {
  constructor(
    text: string,
    readonly retryAfterSeconds: number | null,
  ) {
    super(text);
  }
}

export class Listener {
  readonly #backOff: BackOff;
  #open: OpenStream | null = null;
  #told: Moment | null = null;
  #isStopping = false;
  isLive = false;

  constructor(
    readonly transport: Transport,
    readonly keeper: Keeper,
    readonly troubles: Troubles,
    readonly settings: Settings,
  ) {
    this.#backOff = new BackOff(settings.outside.jitter, LONGEST_WAIT_SECONDS);
  }

  /** Whether the stream knows of a newer snapshot than the one that serves. */
  get isBehind(): boolean {
    return this.isLive && this.#told !== null && isLater(this.#told, this.keeper.moment ?? BEFORE_ALL);
  }

  /** End the stream, and open none again. */
  stop(): void {
    this.#isStopping = true;
    this.#open?.close();
  }

  /**
   * Follow one stream to its end; return the seconds until the next attempt. Never throws.
   * @param wake called when there is a newer snapshot, and when the stream is lost
   */
  async listen(wake: () => void): Promise<number> {
    const frames = new Frames();
    let [reads, told, patience] = [0, "the stream ended", null as number | null];
    try {
      const stream = await this.#opened();
      for await (const received of stream.read()) {
        reads += 1;
        this.#hear(frames, received, wake);
      }
    } catch (cause) {
      told = cause instanceof Error ? cause.message : String(cause);
      patience = cause instanceof NoStream ? cause.retryAfterSeconds : null;
    } finally {
      this.#lose(wake);
    }
    if (this.#isStopping) return 0;
    this.troubles.note("stream", `no stream, polling instead: ${told}`);
    if (reads >= STEADY_AFTER_READS) this.#backOff.succeeded();
    return this.#backOff.failed(patience ?? frames.retrySeconds);
  }

  async #opened(): Promise<OpenStream> {
    const moment = this.keeper.moment;
    this.#told = moment;
    const answer = await this.transport.stream(moment === null ? null : moment.join("."));
    if (!(answer instanceof OpenStream)) {
      throw new NoStream(`the server answered ${answer.status}`, answer.retryAfterSeconds);
    }
    this.#open = answer;
    if (this.#isStopping) answer.close();
    return answer;
  }

  #hear(frames: Frames, received: Uint8Array, wake: () => void): void {
    for (const event of frames.feed(received)) {
      if (event.kind === "kill") this.keeper.kill(event);
      this.#note(event, wake);
    }
    if (!this.isLive) {
      this.isLive = true;
      this.troubles.over("stream");
    }
    const moment = this.keeper.moment;
    if (this.#told !== null && moment !== null && this.#told[0] === moment[0] && this.#told[1] === moment[1]) {
      this.keeper.confirm(this.settings.outside.now());
    }
  }

  #note(event: Kill | Revision, wake: () => void): void {
    this.#told = event.moment;
    if (isLater(event.moment, this.keeper.moment ?? BEFORE_ALL)) wake();
  }

  #lose(wake: () => void): void {
    const wasLive = this.isLive;
    this.isLive = false;
    this.#open?.close();
    this.#open = null;
    if (wasLive) wake();
  }
}
