/** Equipoise in a worker at the edge: decides before the page is fetched, and keeps the cache of the network useful. */
import { previewed } from "../core/previews.js";
import { Exposed } from "../reporting/exposed.js";
import { Ledger } from "../reporting/losses.js";
import { Troubles } from "../reporting/troubles.js";
import { Holder, type Lifetime } from "./holder.js";
import { settingsOf, type EdgeOptions, type Settings } from "./settings.js";
import { attributesOf, Visit } from "./visit.js";

export { Decision } from "../core/decisions.js";
export type { Context } from "../core/values.js";
export type { Lifetime } from "./holder.js";
export type { EdgeCache, EdgeOptions } from "./settings.js";
export { Visit } from "./visit.js";

const PREVIEW = "equipoise_preview";
const UNIT = /^[\w.-]{8,64}$/;

/** How a worker is doing. */
export interface EdgeStatus {
  /** In use; null before the first snapshot. */
  readonly revision: number | null;
  /** Events that earlier visits could not send. */
  readonly queued: number;
  /** Events that were lost; the server hears of them with the next batch. */
  readonly dropped: number;
  /** The last trouble that is not over. */
  readonly lastError: string | null;
}

/** Shared by all requests of a worker: make one, outside of the handler. */
export class Edge {
  readonly #settings: Settings;
  readonly #troubles: Troubles;
  readonly #holder: Holder;
  readonly #exposed = new Exposed(10_000);
  readonly #unsent: string[] = [];
  readonly #ledger = new Ledger();

  /** @throws {TypeError} for bad arguments, all at once */
  constructor(options: EdgeOptions) {
    this.#settings = settingsOf(options);
    this.#troubles = new Troubles(this.#settings.logger);
    this.#holder = new Holder(this.#settings, this.#troubles);
  }

  /** Begin to answer a request. Never throws; without a snapshot every flag gives its default. */
  async visit(request: Request, lifetime: Lifetime): Promise<Visit> {
    const { cookieName, outside, unitType } = this.#settings;
    const snapshot = await this.#holder.current(lifetime);
    const cookies = request.headers.get("cookie") ?? "";
    const known = cookieOf(cookies, cookieName);
    const unit = known !== null && UNIT.test(known) ? known : outside.newId();
    const token = new URL(request.url).searchParams.get(PREVIEW) ?? cookieOf(cookies, PREVIEW);
    const seconds = outside.now().getTime() / 1000;
    const overrides = snapshot === null || token === null ? {} : await previewed(token, snapshot, seconds);
    const attributes = attributesOf(this.#settings, request, this.#troubles);
    return new Visit({
      settings: this.#settings,
      snapshot,
      context: { units: { [unitType]: unit }, attributes, overrides, now: outside.now().toISOString() },
      request,
      isNew: unit !== known,
      exposed: this.#exposed,
      troubles: this.#troubles,
      unsent: this.#unsent,
      ledger: this.#ledger,
      waitUntil: (work) => lifetime.waitUntil(work),
    });
  }

  get status(): EdgeStatus {
    const revision = this.#holder.snapshot?.revision ?? null;
    const [queued, dropped] = [this.#unsent.length, this.#ledger.dropped];
    return { revision, queued, dropped, lastError: this.#troubles.last };
  }
}

function cookieOf(cookies: string, name: string): string | null {
  const found = cookies.split(/;\s*/).find((cookie) => cookie.startsWith(`${name}=`));
  return found?.slice(name.length + 1) || null;
}
