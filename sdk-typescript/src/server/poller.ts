/** Asks for the snapshot: once when called. Decides nothing of flags. */
import { BackOff } from "../reporting/retries.js";
import type { Troubles } from "../reporting/troubles.js";
import type { Disk } from "./disk.js";
import type { Keeper, Offer } from "../delivery/keeper.js";
import { Refused } from "../delivery/vetting.js";
import type { Settings } from "./settings.js";
import { Unreachable, type Answer, type Transport } from "./transport.js";

/** The server answered, with no snapshot; it may have asked for patience. */
class Declined extends Refused {
  constructor(
    text: string,
    readonly retryAfterSeconds: number | null,
  ) {
    super(text);
  }
}

export class Poller {
  readonly #backOff: BackOff;
  #etag: string | null = null;

  constructor(
    readonly transport: Transport,
    readonly keeper: Keeper,
    readonly disk: Disk,
    readonly troubles: Troubles,
    readonly settings: Settings,
  ) {
    this.#backOff = new BackOff(settings.outside.jitter);
  }

  /** Serve what the disk kept, or else what the application brought along. Never throws. */
  async load(): Promise<void> {
    const kept = await this.disk.load();
    if (kept === "damaged") this.troubles.say("disk", "the snapshot on disk is damaged and ignored");
    else if (kept !== null) {
      const { at, signature } = kept;
      await this.#offered(() => ({ body: kept.body.toString(), source: "disk", at, signature }));
    }
    const { bootstrap, outside } = this.settings;
    if (this.keeper.serving.snapshot !== null || bootstrap === undefined) return;
    await this.#offered(() => {
      return { body: JSON.stringify(bootstrap), source: "bootstrap", at: outside.now(), signature: null };
    });
  }

  /** Ask once; return the seconds until the next time, and whether all is well. Never throws. */
  async poll(): Promise<{ readonly waitSeconds: number; readonly isWell: boolean }> {
    try {
      await this.#take(await this.transport.snapshot(this.#etag));
    } catch (cause) {
      const told = cause instanceof Refused || cause instanceof Unreachable ? cause.message : String(cause);
      this.troubles.note("snapshot", `no new snapshot: ${told}`);
      const patience = cause instanceof Declined ? cause.retryAfterSeconds : null;
      return { waitSeconds: this.#backOff.failed(patience), isWell: false };
    }
    this.#backOff.succeeded();
    this.troubles.over("snapshot");
    return { waitSeconds: this.settings.pollIntervalSeconds, isWell: true };
  }

  async #take(answer: Answer): Promise<void> {
    const now = this.settings.outside.now();
    if (answer.status === 304 && this.#etag !== null) {
      this.keeper.confirm(now);
      await this.keeper.completed();
      await this.disk.touch(now);
      return;
    }
    if (answer.status !== 200) throw new Declined(`the server answered ${answer.status}`, answer.retryAfterSeconds);
    const { body, signature } = answer;
    await this.keeper.offer({ body: body.toString(), source: "poll", at: now, signature });
    this.#etag = answer.etag; // only now: a refused snapshot must be asked for again
    try {
      await this.disk.store(body, signature);
      this.troubles.over("disk");
    } catch (cause) {
      this.troubles.note("disk", `the snapshot cannot be kept on disk: ${String(cause)}`);
    }
  }

  async #offered(offer: () => Offer): Promise<void> {
    try {
      await this.keeper.offer(offer());
    } catch (cause) {
      const told = cause instanceof Error ? cause.message : String(cause);
      this.troubles.say("start", `a snapshot to start with is ignored: ${told}`);
    }
  }
}
