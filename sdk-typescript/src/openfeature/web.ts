/** Equipoise behind OpenFeature's web SDK: the last session's values first, exposures by a hook, tracking. */
import {
  OpenFeatureEventEmitter,
  ProviderEvents,
  type EvaluationContext,
  type Hook,
  type JsonValue,
  type Provider,
  type ResolutionDetails,
  type TrackingEventDetails,
} from "@openfeature/web-sdk";
import type { BrowserClient, PageContext } from "../browser/client.js";
import { start, type BrowserOptions } from "../browser/index.js";
import { later } from "../reporting/retries.js";
import { attributesIn, EXPOSURE_EVENT, isUnwanted, NAME, Resolutions } from "./resolving.js";

export interface WebProviderOptions extends BrowserOptions {
  /** The unit type that `targetingKey` names, such as "user". */
  readonly unitType: string;
  /** Other members of the context that are units, such as "account". */
  readonly otherUnitTypes?: readonly string[];
  /** Whether an evaluation counts as an exposure, unless its hint says `{exposure: false}`. Default: true. */
  readonly exposures?: boolean;
  /** After how long without an answer, while the server is asked in vain, the provider is stale. Default: 60. */
  readonly staleAfterSeconds?: number;
}

export class EquipoiseWebProvider implements Provider {
  readonly metadata = { name: NAME } as const;
  readonly runsOn = "client";
  readonly events = new OpenFeatureEventEmitter();
  readonly hooks: Hook[];
  readonly #options: WebProviderOptions;
  readonly #resolutions = new Resolutions();
  #client: BrowserClient | null = null;
  #isStale = false;
  #unwatch: () => void = () => undefined;

  constructor(options: WebProviderOptions) {
    this.#options = options;
    this.hooks = options.exposures === false ? [] : [this.exposureHook];
  }

  /** Reports what units met, after everything else: a hook that fails there changes no value. */
  readonly exposureHook: Hook = {
    finally: ({ context }, details, hints) => {
      if (isUnwanted(hints) || details.errorCode !== undefined) return;
      this.#client?.expose(this.#resolutions.decisionOf(details, this.#contextOf(context).units));
    },
  };

  /** @throws {Error} when there are no values in time; the provider becomes ready when there are */
  async initialize(context: EvaluationContext = {}): Promise<void> {
    const client = start(this.#options, this.#contextOf(context));
    this.#client = client;
    await client.ready;
    const wasReady = client.status.ready;
    let isReady = wasReady;
    client.onChange((flagsChanged) => {
      if (!isReady) this.events.emit(ProviderEvents.Ready);
      isReady = true;
      this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [...flagsChanged] });
    });
    this.#watch(client);
    if (!wasReady) throw new Error("no values have been received yet");
  }

  /** Tell when the server has not answered for long, and when it is back. */
  #watch(client: BrowserClient): void {
    const limit = this.#options.staleAfterSeconds ?? 60;
    this.#unwatch = later(() => {
      const { answerAgeSeconds, lastError, ready } = client.status;
      const isStale = ready && lastError !== null && (answerAgeSeconds ?? Infinity) > limit;
      if (isStale !== this.#isStale) this.events.emit(isStale ? ProviderEvents.Stale : ProviderEvents.Ready);
      this.#isStale = isStale;
      this.#watch(client);
    }, limit / 4);
  }

  async onContextChange(_before: EvaluationContext, context: EvaluationContext): Promise<void> {
    await this.#client?.setContext(this.#contextOf(context));
  }

  async onClose(): Promise<void> {
    this.#unwatch();
    await this.#client?.close();
  }

  resolveBooleanEvaluation(key: string, fallback: boolean): ResolutionDetails<boolean> {
    return this.#resolve(key, fallback);
  }

  resolveStringEvaluation(key: string, fallback: string): ResolutionDetails<string> {
    return this.#resolve(key, fallback);
  }

  resolveNumberEvaluation(key: string, fallback: number): ResolutionDetails<number> {
    return this.#resolve(key, fallback);
  }

  resolveObjectEvaluation<T extends JsonValue>(key: string, fallback: T): ResolutionDetails<T> {
    return this.#resolve(key, fallback);
  }

  track(name: string, _context: EvaluationContext, { value, ...properties }: TrackingEventDetails = {}): void {
    if (name === EXPOSURE_EVENT && typeof properties["flagKey"] === "string") {
      const decision = this.#client?.peek<unknown>(properties["flagKey"], null);
      const { variant } = properties;
      if (decision !== undefined && (variant === undefined || variant === decision.variant))
        this.#client?.expose(decision);
      return;
    }
    this.#client?.track(name, { properties, ...(value === undefined ? {} : { value }) });
  }

  #resolve<T>(key: string, fallback: T): ResolutionDetails<T> {
    const client = this.#client;
    if (client === null) return { value: fallback, reason: "ERROR", errorCode: "PROVIDER_NOT_READY" as never };
    const decision = client.peek<unknown>(key, fallback);
    const isKept = client.status.source === "last-session" && decision.errorCode === null;
    return this.#resolutions.resolved<T>(
      decision,
      {},
      isKept && decision.reason !== "DISABLED" ? "CACHED" : decision.reason,
    );
  }

  #contextOf(context: EvaluationContext): PageContext {
    const { unitType, otherUnitTypes = [] } = this.#options;
    const { targetingKey } = context;
    const named = otherUnitTypes.filter((type) => Object.hasOwn(context, type));
    const units = Object.fromEntries(named.map((type) => [type, context[type] as string]));
    if (targetingKey !== undefined) units[unitType] = targetingKey;
    return { units, attributes: attributesIn(context, ["targetingKey"]) };
  }
}
