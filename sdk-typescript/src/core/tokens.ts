/** Signs the places that a server gives to units, so that pages cannot report others (spec/exposure-tokens.md). */
import { canonicalJson } from "./canonical.js";
import type { Decision, Enrolment, Metadata } from "./decisions.js";
import { hmacSha256 } from "./hmac.js";
import { isObject } from "./values.js";

const MILLISECONDS_OF_A_DAY = 86_400_000;
const MAC_BYTES = 16;
const SECRET = /^[0-9a-f]{64}$/;

/** The key of an environment that signs. */
export class TokenRing {
  readonly #secret: Uint8Array;

  constructor(
    readonly project: string,
    readonly environment: string,
    readonly keyId: number,
    secretHex: string,
  ) {
    this.#secret = Uint8Array.from(secretHex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  }

  /** Return the token for a place by the flag that a unit meets; the same all day (UTC). */
  sign(flag: string, place: Enrolment, now: Date): string {
    const day = Math.floor(now.getTime() / MILLISECONDS_OF_A_DAY);
    const { experiment, iteration, arm, unitType, unit, clusterType = null, cluster = null } = place;
    const said = [this.project, this.environment, this.keyId, day, experiment, iteration, flag, arm];
    const text = `equipoise-exposure:${canonicalJson([...said, unitType, unit, clusterType, cluster])}`;
    const mac = hmacSha256(this.#secret, new TextEncoder().encode(text)).slice(0, MAC_BYTES);
    const encoded = btoa(String.fromCharCode(...mac))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
    return `x1.${this.keyId}.${day}.${encoded}`;
  }
}

/** Return what signs, of a snapshot's member `exposure_tokens`; null when it has none. */
export function ringOf(member: unknown, project: string, environment: string): TokenRing | null {
  const keys: unknown = isObject(member) ? member["keys"] : null;
  const first: unknown = Array.isArray(keys) ? keys[0] : null;
  if (!isObject(first)) return null;
  const { id, secret } = first;
  const isKey = typeof id === "number" && typeof secret === "string" && SECRET.test(secret);
  return isKey ? new TokenRing(project, environment, id, secret) : null;
}

/** Return a decision's metadata with tokens for the places that they tell of. */
export function vouched({ enrolment, flagKey, holdouts, metadata }: Decision, ring: TokenRing, now: Date): Metadata {
  const held = holdouts.find((place) => place.experiment === metadata["holdout.key"]);
  return {
    ...metadata,
    ...(held === undefined ? {} : { "holdout.token": ring.sign(flagKey, held, now) }),
    ...(enrolment === null ? {} : { "exposure.token": ring.sign(flagKey, enrolment, now) }),
  };
}
