/** Reads tokens of links to previews: who holds one sees chosen variants, and leaves every analysis. */
import { isObject } from "./values.js";

const LONGEST_TOKEN = 4_096;
const LARGEST_COUNT = 50;
const MEMBERS = "environment,expires,overrides,project";
const LONGEST_LIFE_SECONDS = 30 * 86_400;
const TOKEN = /^p1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;
const KEY = /^[0-9a-f]{64}$/;

export type Overrides = Readonly<Record<string, string>>;

const NONE: Overrides = Object.freeze({});

/** Whose tokens hold: the parts of a snapshot that they are signed for. */
export interface PreviewScope {
  readonly project: string;
  readonly environment: string;
  readonly previewKey: string | null;
}

/** Return what a token asks to see, flag key → variant key; empty when it is void for any reason. Never throws. */
export async function previewed(token: unknown, scope: PreviewScope, nowSeconds: number): Promise<Overrides> {
  try {
    return await read(token, scope, nowSeconds);
  } catch {
    return NONE;
  }
}

async function read(token: unknown, scope: PreviewScope, nowSeconds: number): Promise<Overrides> {
  const { project, environment, previewKey } = scope;
  if (typeof token !== "string" || token.length > LONGEST_TOKEN || !KEY.test(previewKey ?? "")) return NONE;
  const match = TOKEN.exec(token);
  const [payload, signature] = [match?.[1] ?? "", match?.[2] ?? ""];
  const message = `equipoise-preview:${project}/${environment}:${payload}`;
  if (match === null || !(await isSigned(message, signature, previewKey ?? ""))) return NONE;
  const asked: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(decoded(payload)));
  if (!isObject(asked) || Object.keys(asked).sort().join() !== MEMBERS) return NONE;
  if (asked["project"] !== project || asked["environment"] !== environment) return NONE;
  const { expires, overrides } = asked;
  const isTimely =
    Number.isInteger(expires) && nowSeconds < Number(expires) && Number(expires) <= nowSeconds + LONGEST_LIFE_SECONDS;
  return isTimely && areOverrides(overrides) ? Object.freeze({ ...overrides }) : NONE;
}

function areOverrides(overrides: unknown): overrides is Overrides {
  if (!isObject(overrides) || Object.keys(overrides).length > LARGEST_COUNT) return false;
  return Object.values(overrides).every((variant) => typeof variant === "string");
}

/** Compare in constant time, as WebCrypto does. */
async function isSigned(message: string, signature: string, keyHex: string): Promise<boolean> {
  const bytes = Uint8Array.from(keyHex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
  return crypto.subtle.verify("HMAC", key, decoded(signature), new TextEncoder().encode(message));
}

function decoded(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}
