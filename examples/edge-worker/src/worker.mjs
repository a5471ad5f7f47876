/**
 * A worker before a shop: decides for each visitor before the page is fetched, renders each combination of variants
 * once, and lets the network's cache serve it to everybody who has the same.
 */
import { Edge } from "@equipoise/sdk/edge";

let edge;

export default {
  async fetch(request, env, context) {
    edge ??= new Edge({
      serverUrl: env.EQUIPOISE_URL,
      key: env.EQUIPOISE_KEY,
      unitType: "visitor",
      flags: ["checkout-button"],
      attributesOf: (asked) => ({
        country: asked.headers.get("cf-ipcountry") ?? "",
      }),
    });
    const visit = await edge.visit(request, context);
    const page = await pageOf(visit, request, env, context);
    visit.expose();
    return visit.finish(page);
  },
};

/** The page for these variants: from the cache, or else from the shop, which is told what to render. */
async function pageOf(visit, request, env, context) {
  const kept =
    request.method === "GET"
      ? await caches.default.match(visit.cacheKey)
      : undefined;
  if (kept !== undefined) return kept;
  const { pathname, search } = new URL(request.url);
  const headers = { "x-variants": JSON.stringify(visit.variants) };
  const page = await fetch(env.ORIGIN_URL + pathname + search, {
    method: request.method,
    headers,
  });
  if (page.ok && request.method === "GET")
    context.waitUntil(caches.default.put(visit.cacheKey, page.clone()));
  return page;
}
