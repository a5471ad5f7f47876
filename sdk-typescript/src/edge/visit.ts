/** One request of a visitor: decides for its unit, names what may be cached, and finishes the page. */
import type { Decision } from "../core/decisions.js";
import { failure } from "../core/decisions.js";
import type { Snapshot } from "../core/snapshot.js";
import { isObject, type Context, type Json, type Table } from "../core/values.js";
import { broughtOf, scriptOf } from "../delivery/bootstrap.js";
import {
  batchOf,
  chosenAttributes,
  encoded,
  exposure,
  track,
  type Report,
  type TrackDetails,
} from "../reporting/events.js";
import { exposureKey, type Exposed } from "../reporting/exposed.js";
import type { Ledger } from "../reporting/losses.js";
import { isWorthKeeping } from "../reporting/sender.js";
import type { Troubles } from "../reporting/troubles.js";
import { injected } from "./injecting.js";
import type { Settings } from "./settings.js";

const ATTEMPTS = 3;
const LARGEST_COUNT_UNSENT = 400;

export interface VisitParts {
  readonly settings: Settings;
  readonly snapshot: Snapshot | null;
  readonly context: Context & { readonly units: Readonly<Record<string, string>> };
  readonly request: Request;
  readonly isNew: boolean;
  readonly exposed: Exposed;
  readonly troubles: Troubles;
  /** Events that earlier visits could not send. */
  readonly unsent: string[];
  /** What all visits lost. */
  readonly ledger: Ledger;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

export class Visit {
  readonly #parts: VisitParts;
  readonly #events: string[] = [];

  constructor(parts: VisitParts) {
    this.#parts = parts;
  }

  /** The unit of the visitor's cookie. */
  get unit(): string {
    return this.#parts.context.units[this.#parts.settings.unitType] ?? "";
  }

  /** Whether this is the visitor's first request. */
  get isNew(): boolean {
    return this.#parts.isNew;
  }

  /** Return a boolean flag's value and report the exposure. */
  boolean(key: string, fallback: boolean): boolean {
    return this.details(key, fallback).value as boolean;
  }

  /** Return a string flag's value and report the exposure. */
  string(key: string, fallback: string): string {
    return this.details(key, fallback).value as string;
  }

  /** Return a number flag's value and report the exposure. */
  number(key: string, fallback: number): number {
    return this.details(key, fallback).value as number;
  }

  /** Return a copy of an object flag's value and report the exposure. */
  object<T extends Json>(key: string, fallback: T): T {
    return this.details(key, fallback).value as T;
  }

  /** Return value, variant, reason and metadata, and report the exposure. */
  details(key: string, fallback: unknown): Decision {
    const decision = this.peek(key, fallback);
    this.expose(decision);
    return decision;
  }

  /** Return the decision without reporting an exposure. Never throws. */
  peek(key: string, fallback: unknown): Decision {
    const { context, snapshot } = this.#parts;
    if (snapshot !== null) return snapshot.evaluate(key, context, fallback);
    return failure(key, "PROVIDER_NOT_READY", "no snapshot has been received yet", {}).orDefault(fallback);
  }

  /** The variants of the flags that the markup depends on; "" where the page's own default serves. */
  get variants(): Readonly<Record<string, string>> {
    const { flags } = this.#parts.settings;
    return Object.fromEntries(flags.map((flag) => [flag, this.peek(flag, null).variant ?? ""]));
  }

  /** The address under which this page may be cached for everybody with the same variants. */
  get cacheKey(): string {
    const url = new URL(this.#parts.request.url);
    url.searchParams.delete("equipoise_preview");
    for (const [flag, variant] of Object.entries(this.variants)) url.searchParams.set(`equipoise-${flag}`, variant);
    url.searchParams.sort();
    return url.href;
  }

  /** Report that the unit met what was decided: by default, the flags that the markup depends on. */
  expose(...decisions: readonly Decision[]): void {
    const { settings, context, exposed } = this.#parts;
    const met = decisions.length > 0 ? decisions : settings.flags.map((flag) => this.peek(flag, null));
    for (const { exposable, flagKey: flag, metadata } of met) {
      for (const place of exposable) {
        if (!exposed.isNews(exposureKey(place, undefined), 0, true)) continue;
        const attributes = chosenAttributes(context.attributes, settings.exposureAttributes);
        this.#report(() => exposure(place, { flag, revision: metadata["revision"], differs: undefined, attributes }));
      }
    }
  }

  /** Report that something happened to the visitor. */
  track(eventName: string, details: TrackDetails = {}): void {
    this.#report(() => track(eventName, this.#parts.context, details));
  }

  /**
   * Return the page for this visitor: with its cookie and its values, and kept by nobody on the way. Sends what was
   * reported, after the answer.
   * @param nonce of the page's content security policy, if it has one
   */
  finish(page: Response, { nonce = null }: { readonly nonce?: string | null } = {}): Response {
    const finished = injected(page, this.#script(nonce));
    const headers = new Headers(finished.headers);
    if (this.isNew) headers.append("set-cookie", this.#cookie());
    headers.set("cache-control", "private, no-cache");
    this.send();
    const { status, statusText } = finished;
    return new Response(finished.body, { status, statusText, headers });
  }

  /** Send what was reported, after the answer. */
  send(): void {
    const events = [...this.#parts.unsent.splice(0), ...this.#events.splice(0)];
    if (events.length > 0) this.#parts.waitUntil(this.#delivered(events));
  }

  #script(nonce: string | null): string {
    const { context, settings, snapshot } = this.#parts;
    const keys = settings.shared ?? snapshot?.flagKeys ?? [];
    const decisions = keys.map((key) => this.peek(key, null));
    return scriptOf(broughtOf(decisions, context.units, { snapshot, now: settings.outside.now() }), nonce);
  }

  #cookie(): string {
    const { request, settings } = this.#parts;
    const secure = new URL(request.url).protocol === "https:" ? "; Secure" : "";
    const age = Math.round(settings.cookieDays * 86_400);
    return `${settings.cookieName}=${this.unit}; Path=/; Max-Age=${age}; SameSite=Lax; HttpOnly${secure}`;
  }

  #report(make: () => Report): void {
    const { outside } = this.#parts.settings;
    try {
      this.#events.push(encoded(make(), outside.newId(), outside.now()));
    } catch (cause) {
      this.#parts.ledger.drop("invalid");
      this.#parts.troubles.say(
        "lost",
        `an event was dropped: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
    }
  }

  async #delivered(events: readonly string[]): Promise<void> {
    const { ledger, settings, troubles } = this.#parts;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const losses = ledger.untold(settings.outside.newId);
      const status = await this.#post(batchOf(events, settings.outside.now(), losses));
      if (status === 200) return ledger.noteTold(losses);
      if (status !== null && !isWorthKeeping(status)) {
        ledger.drop("refused", events.length);
        return troubles.say("refused", `events dropped: the server answered ${status}`);
      }
      await new Promise((resolve) => setTimeout(resolve, attempt * 500 * Math.random()));
    }
    this.#keep(events);
  }

  /** Let a later visit send them. */
  #keep(events: readonly string[]): void {
    const { ledger, troubles, unsent } = this.#parts;
    const room = Math.max(0, LARGEST_COUNT_UNSENT - unsent.length);
    unsent.push(...events.slice(0, room));
    if (events.length <= room) return;
    ledger.drop("queue_full", events.length - room);
    troubles.say("events", "events were lost: the server cannot be reached");
  }

  async #post(body: string): Promise<number | null> {
    const { fetch, key, requestTimeoutSeconds, serverUrl } = this.#parts.settings;
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const signal = AbortSignal.timeout(requestTimeoutSeconds * 1000);
    try {
      const answer = await fetch(`${serverUrl}/v1/events`, { method: "POST", headers, body, signal });
      await answer.text();
      return answer.status;
    } catch {
      return null;
    }
  }
}

/** The attributes of a request, whatever the application's function does. */
export function attributesOf(settings: Settings, request: Request, troubles: Troubles): Table {
  try {
    const attributes = settings.attributesOf(request);
    return isObject(attributes) ? attributes : {};
  } catch (cause) {
    troubles.say("attributes", `attributesOf failed: ${String(cause)}`);
    return {};
  }
}
