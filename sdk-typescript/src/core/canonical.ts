/** One byte sequence per JSON document (RFC 8785), and its hash: spec/hashing.md. */
import { isObject } from "./values.js";

/** Return canonical JSON: keys sorted by UTF-16 code units, no spaces, numbers as ECMAScript writes them. */
export function canonicalJson(node: unknown): string {
  if (Array.isArray(node)) return `[${node.map(canonicalJson).join(",")}]`;
  if (!isObject(node)) return JSON.stringify(node);
  const members = Object.keys(node).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonicalJson(node[name])}`).join(",")}}`;
}

/** Return the SHA-256, in hex, of the canonical JSON of a document without its member "hash". */
export async function contentHash(document: Readonly<Record<string, unknown>>): Promise<string> {
  const { hash: _, ...content } = document;
  return sha256(new TextEncoder().encode(canonicalJson(content)));
}

/** Return the SHA-256 of bytes in lower-case hex. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
