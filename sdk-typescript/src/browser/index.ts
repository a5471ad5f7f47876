/** Equipoise in a browser: evaluated values only, the last session's first, kills at once. */
import { BrowserClient, type PageContext } from "./client.js";
import { settingsOf, type BrowserOptions } from "./settings.js";

export type { Decision } from "../core/decisions.js";
export type { Answers, Item } from "./answers.js";
export { BrowserClient } from "./client.js";
export type { BrowserStatus, PageContext } from "./client.js";
export type { BrowserOptions } from "./settings.js";
export type { Store } from "./storage.js";

/**
 * Start a client for the page. It does not wait: values of the last session serve at once, and `ready` resolves
 * when there are any.
 * @throws {TypeError} for bad arguments, all at once; never for trouble with the network
 */
export function start(options: BrowserOptions, context: PageContext): BrowserClient {
  return new BrowserClient(settingsOf(options), context);
}
