/** Ties a client to its server: disk, transport and loops, from start to end. */
import { Outbox } from "../reporting/outbox.js";
import { later } from "../reporting/retries.js";
import { Sender } from "../reporting/sender.js";
import { Troubles } from "../reporting/troubles.js";
import { Verifier } from "../core/signatures.js";
import { Blobs } from "./blobs.js";
import { Disk } from "./disk.js";
import { Keeper } from "../delivery/keeper.js";
import { Listener } from "./listener.js";
import { Poller } from "./poller.js";
import type { Settings } from "./settings.js";
import { Transport, Unreachable } from "./transport.js";

const LONGEST_CLOSE_SECONDS = 0.9;
const SPREAD_SECONDS = 0.5; // over how long the clients of a server spread their questions after a change
const BEHIND_SECONDS = 2;
const STREAMED_SECONDS = 300;

/** A rest that somebody may cut short. */
class Rest {
  #wake: (() => void) | null = null;
  #isWanted = false;

  /** Forget who called before. */
  begin(): void {
    this.#isWanted = false;
  }

  /** Wait; tell whether somebody called meanwhile. */
  async wait(seconds: number): Promise<boolean> {
    if (this.#isWanted) return true;
    await new Promise<void>((resolve) => {
      const cancel = later(resolve, seconds);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = null;
    return this.#isWanted;
  }

  call(): void {
    this.#isWanted = true;
    this.#wake?.();
  }
}

export class Connection {
  readonly keeper: Keeper;
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly #troubles: Troubles;
  readonly #transport: Transport;
  readonly #poller: Poller;
  readonly #listener: Listener | null;
  readonly #wanted = new Rest();
  readonly #pauses = new Set<() => void>();
  #isStopping = false;

  /** Those that may have events to send when the process has nothing else to do. */
  static readonly #opened = new Set<Connection>();

  private constructor(
    readonly settings: Settings,
    verifier: Verifier | null,
  ) {
    const { cacheDirectory, key, outside, queueSize, serverUrl, streaming } = settings;
    const disk = new Disk(cacheDirectory, serverUrl, key);
    this.#troubles = new Troubles(settings.logger);
    this.#transport = new Transport(settings);
    const blobs = new Blobs(this.#transport, disk, this.#troubles);
    this.keeper = new Keeper(verifier, (addresses, from) => blobs.fetch(addresses, from), this.#troubles);
    this.outbox = new Outbox(queueSize);
    this.sender = new Sender(this.outbox, (body) => this.#deliver(body), this.#troubles, outside);
    this.#poller = new Poller(this.#transport, this.keeper, disk, this.#troubles, settings);
    this.#listener = streaming ? new Listener(this.#transport, this.keeper, this.#troubles, settings) : null;
  }

  /** Load from disk, start the loops, and wait for the first answer, good or bad. */
  static async open(settings: Settings): Promise<Connection> {
    const { startTimeoutSeconds, verifyKeys } = settings;
    const connection = new Connection(settings, verifyKeys === null ? null : await Verifier.of(verifyKeys));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise((resolve) => (timer = setTimeout(resolve, startTimeoutSeconds * 1000)));
    await Promise.race([connection.#started(), timeout]);
    clearTimeout(timer);
    if (Connection.#opened.size === 0) process.once("beforeExit", Connection.#closeAll);
    Connection.#opened.add(connection);
    return connection;
  }

  static #closeAll(): void {
    for (const connection of Connection.#opened) void connection.close();
  }

  get lastError(): string | null {
    return this.#troubles.last;
  }

  /** Whether a stream tells of changes now. */
  get isStreaming(): boolean {
    return this.#listener?.isLive ?? false;
  }

  /** Let the outbox empty itself, then stop; what is left is dropped and counted. */
  async close(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    Connection.#opened.delete(this);
    if (Connection.#opened.size === 0) process.removeListener("beforeExit", Connection.#closeAll);
    this.outbox.close();
    this.#listener?.stop();
    this.#wanted.call();
    for (const end of this.#pauses) end();
    await this.sender.drained(LONGEST_CLOSE_SECONDS);
    this.sender.stop();
    this.outbox.abandon();
    this.#transport.close();
  }

  async #started(): Promise<void> {
    await this.#poller.load();
    if (this.#isStopping) return;
    const first = this.#poller.poll();
    this.#run(this.#polling(first));
    if (this.#listener !== null) this.#run(this.#listening(this.#listener));
    await first;
  }

  /** A loop that ends in a way that was not foreseen must not end the process; what serves stays. */
  #run(loop: Promise<void>): void {
    loop.catch((cause: unknown) => this.#troubles.note("unforeseen", `a loop ended: ${String(cause)}`));
  }

  async #polling(first: ReturnType<Poller["poll"]>): Promise<void> {
    let outcome = await first;
    while (!this.#isStopping) {
      if (!outcome.isWell)
        await this.#pause(outcome.waitSeconds); // the server asked for patience, stream or not
      else if (await this.#wanted.wait(this.#restSeconds())) {
        await this.#pause(this.settings.outside.jitter() * SPREAD_SECONDS);
      }
      this.#wanted.begin();
      if (!this.#isStopping) outcome = await this.#poller.poll();
    }
  }

  /** How long nobody needs to ask: long while a stream tells of changes. */
  #restSeconds(): number {
    const { pollIntervalSeconds } = this.settings;
    if (!this.#listener?.isLive || this.keeper.isMissingMembers) return pollIntervalSeconds;
    return this.#listener.isBehind ? BEHIND_SECONDS : Math.max(STREAMED_SECONDS, pollIntervalSeconds);
  }

  async #listening(listener: Listener): Promise<void> {
    while (!this.#isStopping) await this.#pause(await listener.listen(() => this.#wanted.call()));
  }

  /** Wait, or until the end. */
  async #pause(seconds: number): Promise<void> {
    if (this.#isStopping || seconds <= 0) return;
    await new Promise<void>((resolve) => {
      const ended = (): void => {
        cancel();
        this.#pauses.delete(ended);
        resolve();
      };
      const cancel = later(ended, seconds);
      this.#pauses.add(ended);
    });
  }

  async #deliver(body: string) {
    try {
      const answer = await this.#transport.send(body);
      return { ...answer, body: answer.body.toString() };
    } catch (cause) {
      if (cause instanceof Unreachable) return null;
      throw cause;
    }
  }
}
