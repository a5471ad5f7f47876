/** Writes evaluated values into a page that a server renders, where the browser's client finds them. */
import type { Decision } from "../core/decisions.js";
import type { Snapshot } from "../core/snapshot.js";
import { vouched } from "../core/tokens.js";
import type { Item } from "../browser/answers.js";

/** Where a page finds its values. */
export const BOOTSTRAP = "__EQUIPOISE__";

/** What a page brings along: the answers of one context, and its units. */
export interface Brought {
  readonly flags: readonly Item[];
  readonly units: Readonly<Record<string, unknown>>;
}

/** Whose snapshot decided, and when. */
export interface Deciding {
  readonly snapshot: Snapshot | null;
  readonly now: Date;
}

/** Return decisions as a browser's client reads them. Errors are left out: the page's own defaults serve there. */
export function broughtOf(
  decisions: readonly Decision[],
  units: Brought["units"],
  { snapshot, now }: Deciding,
): Brought {
  const version = snapshot === null ? "" : `${snapshot.epoch}.${snapshot.revision}`;
  const flags = decisions
    .filter((decision) => decision.variant !== null)
    .map((decision) => {
      const { flagKey: key, value, variant, reason } = decision;
      const told = snapshot?.tokens ? vouched(decision, snapshot.tokens, now) : decision.metadata;
      return { key, value, variant: variant ?? "", reason, metadata: { ...told, version } };
    });
  return { flags, units };
}

/** Return a script element for the head of the page; nothing in the values can end it early. */
export function scriptOf(brought: Brought, nonce: string | null): string {
  const values = JSON.stringify(brought).replace(/[<>\u2028\u2029]/g, escaped);
  const allowed = nonce === null ? "" : ` nonce="${nonce.replace(/[^\w+/=-]/g, "")}"`;
  return `<script${allowed}>self.${BOOTSTRAP}=${values}</script>`;
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
