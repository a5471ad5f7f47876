/** Checks Ed25519 signatures of snapshots: with keys given, whatever is unsigned or wrongly signed is refused. */
import { sha256 } from "./canonical.js";

const HEADER = /^([0-9a-f]{16}) ([A-Za-z0-9+/]+={0,2})$/;
const KEY_BYTES = 32;

/** What a signature is over. */
export interface Signed {
  readonly project: string;
  readonly environment: string;
  readonly epoch: number;
  readonly revision: number;
  readonly hash: string;
}

export class Verifier {
  readonly #keys: ReadonlyMap<string, CryptoKey>;

  private constructor(keys: ReadonlyMap<string, CryptoKey>) {
    this.#keys = keys;
  }

  /** Take raw public keys in base64, as `areKeys` accepts them. */
  static async of(verifyKeys: readonly string[]): Promise<Verifier> {
    const entries = verifyKeys.map(async (text) => {
      const raw = decoded(text);
      const key = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
      return [(await sha256(raw)).slice(0, 16), key] as const;
    });
    return new Verifier(new Map(await Promise.all(entries)));
  }

  /** Tell whether a header `Equipoise-Signature` holds for a snapshot. Never throws. */
  async holds(header: string | null, of: Signed): Promise<boolean> {
    const match = HEADER.exec(header ?? "");
    const key = this.#keys.get(match?.[1] ?? "");
    if (match?.[2] === undefined || key === undefined) return false;
    const lines = ["equipoise-snapshot-v1", of.project, of.environment, of.epoch, of.revision, of.hash];
    const message = new TextEncoder().encode(lines.join("\n"));
    try {
      return await crypto.subtle.verify({ name: "Ed25519" }, key, decoded(match[2]), message);
    } catch {
      return false;
    }
  }
}

/** Tell whether texts are raw Ed25519 public keys in base64. */
export function areKeys(keys: unknown): keys is readonly string[] {
  return Array.isArray(keys) && keys.length > 0 && keys.every(isKey);
}

function isKey(text: unknown): boolean {
  try {
    return typeof text === "string" && decoded(text).length === KEY_BYTES;
  } catch {
    return false;
  }
}

function decoded(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
