/** What a page calls: the last session's values at once, then what the server evaluates; never a rule, never a wait. */
import type { Decision, Enrolment } from "../core/decisions.js";
import { failure } from "../core/decisions.js";
import type { Json, Table, Widened } from "../core/values.js";
import { chosenAttributes, encoded, exposure, track, type Report, type TrackDetails } from "../reporting/events.js";
import { Exposed, exposureKey } from "../reporting/exposed.js";
import { Outbox } from "../reporting/outbox.js";
import { placesIn } from "../reporting/places.js";
import { BackOff, later, patience } from "../reporting/retries.js";
import { Sender, type Verdict } from "../reporting/sender.js";
import { Troubles } from "../reporting/troubles.js";
import { decisionOf, isKilled, readAnswers, type Answers, type Item } from "./answers.js";
import { Changes } from "./changes.js";
import type { Settings } from "./settings.js";
import { Storage } from "./storage.js";

/** Whose values the page shows. */
export interface PageContext {
  /** Type → id. */
  readonly units: Readonly<Record<string, string | number>>;
  readonly attributes?: Table;
}

export interface BrowserStatus {
  /** Whether there are values; without them every call gives its default. */
  readonly ready: boolean;
  readonly source: "network" | "last-session" | "page" | "none";
  /** Epoch and revision that answered, such as "1.42". */
  readonly version: string | null;
  /** Since the server last answered; null before it did. Grows while nothing changes and a stream is open. */
  readonly answerAgeSeconds: number | null;
  /** How many values were asked for before there were any. */
  readonly readBeforeReady: number;
  /** How many flags showed one value in this session and then another. */
  readonly changed: number;
  readonly queued: number;
  readonly dropped: number;
  readonly lastError: string | null;
}

const NONE: ReadonlyMap<string, Item> = new Map();
const KEEPALIVE_LETTERS = 60_000; // browsers limit what outlives a page to 64 KiB

export class BrowserClient {
  /** Resolves when there are values, or when the time to wait for them is over; never rejects. */
  readonly ready: Promise<void>;
  readonly #settings: Settings;
  readonly #storage: Storage;
  readonly #changes: Changes;
  readonly #outbox: Outbox;
  readonly #sender: Sender;
  readonly #troubles: Troubles;
  readonly #backOff: BackOff;
  readonly #listeners = new Set<(keys: readonly string[]) => void>();
  readonly #shown = new Map<string, string>();
  #exposed = new Exposed(1_000);
  #context: PageContext;
  #served = NONE;
  #latest = NONE;
  #source: BrowserStatus["source"] = "none";
  #etag: string | null = null;
  #asking: Promise<void> | null = null;
  #retry: (() => void) | null = null;
  #becameReady: () => void = () => undefined;
  #answeredAt: number | null = null;
  #readBeforeReady = 0;
  #changed = 0;
  #isHiding = false;
  #isClosed = false;

  constructor(settings: Settings, context: PageContext) {
    this.#settings = settings;
    this.#context = context;
    this.#troubles = new Troubles(settings.logger);
    this.#backOff = new BackOff(settings.outside.jitter);
    this.#storage = new Storage(settings.store, settings.serverUrl, settings.key);
    this.#outbox = new Outbox(settings.queueSize);
    this.#sender = new Sender(this.#outbox, (body) => this.#deliver(body), this.#troubles, settings.outside);
    this.#changes = new Changes(
      settings.page,
      () => void this.refresh(),
      settings.pollSeconds,
      settings.outside.jitter,
    );
    this.ready = new Promise((resolve) => {
      this.#becameReady = resolve;
      later(resolve, settings.startTimeoutSeconds);
    });
    for (const event of this.#storage.takeEvents()) this.#outbox.put("exposure", event);
    if (this.#outbox.queued > 0) this.#sender.nudge();
    settings.page.onVisibility(() => this.#hide());
    this.#begin();
    void this.refresh();
  }

  /** Return a boolean flag's value and report the exposure. Call it where the value is used. */
  boolean(key: string, fallback: boolean): boolean {
    return this.details(key, fallback).value;
  }

  /** Return a string flag's value and report the exposure. */
  string(key: string, fallback: string): string {
    return this.details(key, fallback).value;
  }

  /** Return a number flag's value and report the exposure. */
  number(key: string, fallback: number): number {
    return this.details(key, fallback).value;
  }

  /** Return a copy of an object flag's value and report the exposure. */
  object<T extends Json>(key: string, fallback: T): T {
    return this.details<unknown>(key, fallback).value as T;
  }

  /** Return value, variant, reason and metadata, and report the exposure. */
  details<T>(key: string, fallback: T): Decision<Widened<T>> {
    const decision = this.peek(key, fallback);
    this.expose(decision);
    return decision;
  }

  /** Return the decision without reporting an exposure. */
  peek<T>(key: string, fallback: T): Decision<Widened<T>> {
    return this.#decided(key, fallback) as Decision<Widened<T>>;
  }

  /** Report that the unit met what `peek` decided; nothing happens outside of experiments and holdouts. */
  expose(decision: Decision, { differs }: { readonly differs?: boolean } = {}): void {
    const { flagKey: flag, metadata } = decision;
    for (const place of decision.exposable) {
      const key = exposureKey(place, differs);
      if (!this.#exposed.isNews(key, 0, true)) continue;
      const attributes = chosenAttributes(this.#context.attributes, this.#settings.exposureAttributes);
      const report = (): Report =>
        exposure(this.#vouched(flag, place), { flag, revision: metadata["revision"], differs, attributes });
      if (!this.#report("exposure", report)) this.#exposed.forget(key);
    }
  }

  /** Report that something happened to the units of the page. */
  track(eventName: string, details: TrackDetails = {}): void {
    this.#report("track", () => track(eventName, this.#context, details));
  }

  /** Show values for other units or attributes; resolves when they are there, or could not be had. */
  async setContext(context: PageContext): Promise<void> {
    this.#context = context;
    [this.#served, this.#latest, this.#source, this.#etag] = [NONE, NONE, "none", null];
    this.#shown.clear();
    this.#exposed = new Exposed(1_000);
    this.#begin();
    await this.#asking; // its answer is for the context before, and not taken
    await this.refresh();
  }

  /** Ask the server now. What it answers is kept for the next session; kills apply at once. Never rejects. */
  refresh(): Promise<void> {
    this.#retry?.();
    this.#retry = null;
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** Show the newest values from now on, as the next session would. */
  applyLatest(): void {
    if (this.#latest !== NONE) this.#serve(this.#latest, "network");
  }

  /** The values that serve, as a page could bring them along. */
  get answers(): Answers {
    return { flags: [...this.#served.values()] };
  }

  /** Call back with the keys of flags whose values changed; returns how to stop. */
  onChange(listener: (keys: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Send what is queued now; false when that took longer than the time given. */
  flush(timeoutSeconds = 1): Promise<boolean> {
    return this.#sender.drained(timeoutSeconds);
  }

  /** Stop asking and listening, and send what can be sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#changes.close();
    this.#retry?.();
    this.#outbox.close();
    await this.flush();
    this.#sender.stop();
  }

  get status(): BrowserStatus {
    const [first] = this.#served.values();
    const version = first?.metadata?.["version"];
    return {
      ready: this.#served !== NONE,
      source: this.#source,
      version: version === undefined ? null : String(version),
      answerAgeSeconds:
        this.#answeredAt === null ? null : (this.#settings.outside.now().getTime() - this.#answeredAt) / 1000,
      readBeforeReady: this.#readBeforeReady,
      changed: this.#changed,
      queued: this.#outbox.queued,
      dropped: this.#outbox.dropped,
      lastError: this.#troubles.last,
    };
  }

  /** Serve what the page brought along, or else what the last session saw. */
  #begin(): void {
    const { bootstrap, outside, previewToken } = this.#settings;
    if (previewToken !== null) return; // a preview is looked at as it is now
    const brought = readAnswers(bootstrap);
    const kept = this.#storage.load(this.#context.units, outside.now().getTime());
    const answers = brought ?? kept?.answers;
    if (answers === undefined) return;
    this.#serve(byKey(answers), brought === null ? "last-session" : "page");
    this.#latest = byKey(answers);
    this.#etag = brought === null ? (kept?.etag ?? null) : null;
    if (brought === null) this.#listen(answers);
  }

  async #ask(): Promise<void> {
    if (this.#isClosed) return;
    const { outside } = this.#settings;
    const context = this.#context;
    try {
      const answer = await this.#bulk(context);
      if (this.#isClosed || context !== this.#context) return;
      if (answer.status === 304) this.#confirmed();
      else if (answer.ok) this.#take(readAnswers(await answer.json()), answer.headers.get("etag"));
      else throw new Refusal(answer.status, patience(answer.headers.get("retry-after"), outside.now().getTime()));
      this.#answeredAt = outside.now().getTime();
      this.#backOff.succeeded();
      this.#troubles.over("answers");
    } catch (cause) {
      this.#troubles.note("answers", `no new values: ${cause instanceof Error ? cause.message : String(cause)}`);
      const seconds = this.#backOff.failed(cause instanceof Refusal ? cause.retryAfterSeconds : null);
      if (!this.#isClosed) this.#retry = later(() => void this.refresh(), seconds);
    }
  }

  /** The place with the newest token for it: values of the last session, or of the page, may have an old one or none. */
  #vouched(flag: string, place: Enrolment): Enrolment {
    const newest = placesIn(this.#latest.get(flag)?.metadata ?? {}, this.#context.units);
    const same = newest.find((one) => exposureKey(one, undefined) === exposureKey(place, undefined));
    return same?.token === undefined ? place : { ...place, token: same.token };
  }

  #bulk({ units, attributes }: PageContext): Promise<Response> {
    const { fetch, key, previewToken, requestTimeoutSeconds, serverUrl } = this.#settings;
    return fetch(`${serverUrl}/ofrep/v1/evaluate/flags`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${key}`,
        ...(this.#etag === null ? {} : { "if-none-match": this.#etag }),
        ...(previewToken === null ? {} : { "x-equipoise-preview": previewToken }),
      },
      body: JSON.stringify({ context: { ...attributes, ...units } }),
      signal: AbortSignal.timeout(requestTimeoutSeconds * 1000),
    });
  }

  /** The server still has the answers that this session began with, or those it got meanwhile. */
  #confirmed(): void {
    this.#becameReady();
    this.#changes.resume();
  }

  #take(answers: Answers | null, etag: string | null): void {
    const { appliesAtOnce, outside, previewToken } = this.#settings;
    if (answers === null) throw new TypeError("the server's answer cannot be read");
    this.#etag = etag;
    this.#latest = byKey(answers);
    this.#listen(answers);
    if (previewToken === null) {
      this.#storage.keep(this.#context.units, { answers, etag }, outside.now().getTime());
    }
    const isFirst = this.#served === NONE;
    if (isFirst || appliesAtOnce || previewToken !== null) this.#serve(this.#latest, "network");
    else
      this.#serve(new Map([...this.#served, ...[...this.#latest].filter(([, item]) => isKilled(item))]), this.#source);
  }

  #listen(answers: Answers): void {
    const stream = answers.eventStreams?.find(({ type, url }) => type === "sse" && typeof url === "string");
    this.#changes.listen(stream?.url ?? null, stream?.inactivityDelaySec);
  }

  #serve(items: ReadonlyMap<string, Item>, source: BrowserStatus["source"]): void {
    const was = this.#served;
    [this.#served, this.#source] = [items, source];
    const keys = [...new Set([...was.keys(), ...items.keys()])];
    const other = keys.filter((key) => JSON.stringify(was.get(key)?.value) !== JSON.stringify(items.get(key)?.value));
    this.#changed += other.filter((key) => this.#shown.has(key)).length;
    this.#becameReady();
    if (other.length > 0) for (const listener of this.#listeners) listener(other);
  }

  #decided(key: string, fallback: unknown): Decision {
    if (this.#served === NONE) {
      this.#readBeforeReady += 1;
      this.#shown.set(key, "");
      return failure(key, "PROVIDER_NOT_READY", "no values have been received yet", {}).orDefault(fallback);
    }
    const decision = decisionOf(this.#served.get(key), key, fallback, this.#context.units);
    this.#shown.set(key, decision.variant ?? "");
    if (decision.errorCode !== null)
      this.#troubles.say(`${decision.errorCode} ${key}`, `${key}: ${decision.errorMessage}`);
    return decision;
  }

  #report(kind: "exposure" | "track", make: () => Report): boolean {
    const { outside } = this.#settings;
    try {
      const isQueued = this.#outbox.put(kind, encoded(make(), outside.newId(), outside.now()));
      if (this.#isHiding) this.#hide();
      else this.#sender.nudge();
      return isQueued;
    } catch (cause) {
      this.#outbox.drop("invalid");
      this.#troubles.say(`lost ${kind}`, `${kind} dropped: ${cause instanceof Error ? cause.message : String(cause)}`);
      return false;
    }
  }

  /** A page that goes away sends at once, by requests that outlive it, and leaves a copy for the next one. */
  #hide(): void {
    this.#isHiding = this.#settings.page.isHidden();
    if (!this.#isHiding || this.#outbox.queued === 0) return;
    this.#storage.keepEvents(this.#outbox.waiting);
    void this.#sender.drained(5).then((isDone) => {
      if (isDone) this.#storage.keepEvents([]);
    });
  }

  async #deliver(body: string): Promise<Verdict | null> {
    const { fetch, key, outside, requestTimeoutSeconds, serverUrl } = this.#settings;
    const answer = await fetch(`${serverUrl}/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body,
      keepalive: body.length < KEEPALIVE_LETTERS,
      signal: AbortSignal.timeout(requestTimeoutSeconds * 1000),
    });
    const retryAfterSeconds = patience(answer.headers.get("retry-after"), outside.now().getTime());
    return { status: answer.status, body: await answer.text(), retryAfterSeconds };
  }
}

class Refusal extends Error {
  constructor(
    status: number,
    readonly retryAfterSeconds: number | null,
  ) {
    super(`the server answered ${status}`);
  }
}

function byKey(answers: Answers): ReadonlyMap<string, Item> {
  return new Map(answers.flags.map((item) => [item.key, item]));
}
