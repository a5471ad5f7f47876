/** Equipoise behind OpenFeature's server SDK: evaluation from memory, exposures by a hook, tracking. */
import {
  OpenFeatureEventEmitter,
  ProviderEvents,
  type EvaluationContext,
  type Hook,
  type JsonValue,
  type Provider,
  type ResolutionDetails,
  type TrackingEventDetails,
} from "@openfeature/server-sdk";
import type { Context, Table } from "../core/values.js";
import { later } from "../reporting/retries.js";
import type { Client } from "../server/client.js";
import { attributesIn, EXPOSURE_EVENT, isUnwanted, NAME, Resolutions } from "./resolving.js";

const PREVIEW = "equipoisePreview";
const NOW = "now";

export interface ProviderOptions {
  /** Whether an evaluation counts as an exposure, unless its hint says `{exposure: false}`. Default: true. */
  readonly exposures?: boolean;
  /** How long `initialize` waits for a first snapshot. Default: 1. */
  readonly startTimeoutSeconds?: number;
  /** After how long without word from the server the provider is stale. Default: 60. */
  readonly staleAfterSeconds?: number;
}

/**
 * The context: `targetingKey` is the unit of the project's default type, a member named as another unit type is that
 * unit (and an attribute), every other member is an attribute. `equipoisePreview` is the token of a link to a preview;
 * overrides and clusters come from nowhere else. `now` is the time that switchbacks go by: the start of the session.
 */
export class EquipoiseProvider implements Provider {
  readonly metadata = { name: NAME } as const;
  readonly runsOn = "server";
  readonly events = new OpenFeatureEventEmitter();
  readonly hooks: Hook[];
  readonly #client: Client;
  readonly #options: Required<ProviderOptions>;
  readonly #resolutions = new Resolutions();
  #ends: (() => void)[] = [];
  #isStale = false;

  constructor(client: Client, options: ProviderOptions = {}) {
    this.#client = client;
    this.#options = { exposures: true, startTimeoutSeconds: 1, staleAfterSeconds: 60, ...options };
    this.hooks = this.#options.exposures ? [this.exposureHook] : [];
  }

  /** Reports what units met, after everything else: a hook that fails there changes no value. */
  readonly exposureHook: Hook = {
    finally: ({ context }, details, hints) => {
      if (isUnwanted(hints) || details.errorCode !== undefined) return;
      const { attributes, units } = this.#contextOf(context);
      const decision = this.#resolutions.decisionOf(details, units as Table);
      this.#client.expose(decision, { attributes: attributes ?? null });
    },
  };

  /** @throws {Error} when there is no snapshot in time; the provider becomes ready when there is one */
  async initialize(): Promise<void> {
    if (!this.#client.status.ready) await this.#firstChange();
    const wasReady = this.#client.status.ready;
    this.#ends.push(this.#client.onChange(() => this.#changed()));
    this.#watch();
    if (!wasReady) {
      this.#isStale = true;
      throw new Error("no snapshot has been received yet");
    }
  }

  /** Send what is queued within a second. The client goes on: it is the application's to close. */
  async onClose(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    await this.#client.flush();
  }

  resolveBooleanEvaluation(key: string, fallback: boolean, context: EvaluationContext) {
    return this.#resolve<boolean>(key, fallback, context);
  }

  resolveStringEvaluation(key: string, fallback: string, context: EvaluationContext) {
    return this.#resolve<string>(key, fallback, context);
  }

  resolveNumberEvaluation(key: string, fallback: number, context: EvaluationContext) {
    return this.#resolve<number>(key, fallback, context);
  }

  resolveObjectEvaluation<T extends JsonValue>(key: string, fallback: T, context: EvaluationContext) {
    return this.#resolve<T>(key, fallback, context);
  }

  track(name: string, context: EvaluationContext, { value, ...properties }: TrackingEventDetails = {}): void {
    const asked = this.#contextOf(context);
    if (name === EXPOSURE_EVENT && typeof properties["flagKey"] === "string") {
      const decision = this.#client.peek<unknown>(properties["flagKey"], null, asked);
      const { variant } = properties;
      const isMet = variant === undefined || variant === decision.variant;
      return isMet ? this.#client.expose(decision, { attributes: asked.attributes ?? null }) : undefined;
    }
    this.#client.track(name, asked, { properties, ...(value === undefined ? {} : { value }) });
  }

  async #resolve<T>(key: string, fallback: T, given: EvaluationContext): Promise<ResolutionDetails<T>> {
    const token = given[PREVIEW];
    const overrides = token === undefined ? {} : await this.#client.preview(token);
    const context = { ...this.#contextOf(given), overrides };
    const decision = this.#client.peek<unknown>(key, fallback, context);
    return this.#resolutions.resolved<T>(decision, this.#told(given));
  }

  /** OpenFeature's Appendix D: whose context, which set of flags, which version of it. */
  #told({ targetingKey }: EvaluationContext): Record<string, string> {
    const { epoch, project, environment, revision } = this.#client.scope;
    return {
      ...(targetingKey === undefined ? {} : { contextId: targetingKey }),
      ...(project === null ? {} : { flagSetId: `${project}/${environment}`, version: `${epoch}.${revision}` }),
    };
  }

  #contextOf(given: EvaluationContext): Context {
    const { targetingKey } = given;
    const { defaultUnitType, unitTypes } = this.#client.scope;
    const named = unitTypes.filter((type) => Object.hasOwn(given, type));
    const units = Object.fromEntries(named.map((type) => [type, given[type] as string]));
    if (targetingKey !== undefined && defaultUnitType !== null) units[defaultUnitType] = targetingKey;
    const now = given[NOW] instanceof Date ? given[NOW].toISOString() : given[NOW];
    const clock = typeof now === "string" || typeof now === "number" ? { now } : {};
    return { units, attributes: attributesIn(given, ["targetingKey", PREVIEW]), ...clock };
  }

  #changed(): void {
    this.events.emit(ProviderEvents.ConfigurationChanged);
    this.#look();
  }

  /** Tell when the server has not been heard from for long, and when it is back. */
  #look(): void {
    const { ready, snapshotAgeSeconds } = this.#client.status;
    const isStale = !ready || (snapshotAgeSeconds ?? Infinity) > this.#options.staleAfterSeconds;
    if (isStale === this.#isStale) return;
    this.#isStale = isStale;
    this.events.emit(isStale ? ProviderEvents.Stale : ProviderEvents.Ready);
  }

  #watch(): void {
    const cancel = later(
      () => {
        this.#ends = this.#ends.filter((end) => end !== cancel);
        this.#look();
        this.#watch();
      },
      Math.max(0.05, this.#options.staleAfterSeconds / 4),
    );
    this.#ends.push(cancel);
  }

  async #firstChange(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let end: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      end = this.#client.onChange(resolve);
      timer = setTimeout(resolve, this.#options.startTimeoutSeconds * 1000);
    });
    clearTimeout(timer);
    end();
  }
}
