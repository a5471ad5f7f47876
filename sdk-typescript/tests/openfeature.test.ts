/** The provider for OpenFeature's server SDK, with the real SDK. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { afterEach, test } from "node:test";
import { OpenFeature, ProviderEvents, type Client as OpenFeatureClient } from "@openfeature/server-sdk";
import { EquipoiseProvider, type ProviderOptions } from "../src/openfeature/server.js";
import { connect, inMemory, type Client } from "../src/server/index.js";
import { shop } from "./documents.js";
import { FaultyServer } from "./faulty_server.js";

const ANNA = { targetingKey: "anna", account: "acme", country: "DE" };
const KEY = "ab".repeat(32);
const logger = { warn: () => undefined };

afterEach(() => OpenFeature.close());

async function started(client: Client, options: ProviderOptions = {}): Promise<OpenFeatureClient> {
  await OpenFeature.setProviderAndWait(new EquipoiseProvider(client, options));
  return OpenFeature.getClient();
}

test("flags of every type give value, variant, reason and metadata", async () => {
  const client = await started(inMemory(shop(4)));
  assert.equal(typeof (await client.getBooleanValue("banner", false, ANNA)), "boolean");
  assert.match(await client.getStringValue("button", "", ANNA), /^#(888|0a0)$/);
  assert.deepEqual(await client.getObjectValue("theme", {}, ANNA), { colour: "white" });
  const { flagMetadata, reason, value, variant } = await client.getNumberDetails("plans", 0, ANNA);
  assert.deepEqual([value, variant], flagMetadata["experiment.arm"] === "control" ? [2, "two"] : [3, "three"]);
  assert.deepEqual(
    [
      reason,
      flagMetadata["experiment.unit"],
      flagMetadata["contextId"],
      flagMetadata["flagSetId"],
      flagMetadata["version"],
    ],
    ["SPLIT", "anna", "anna", "shop/production", "1.4"],
  );
});

test("unknown flags, other types and killed flags say so in OpenFeature's words", async () => {
  const client = await started(inMemory(shop(1, { killed: true }), { logger }));
  const unknown = await client.getStringDetails("nothing", "mine", ANNA);
  assert.deepEqual([unknown.value, unknown.reason, unknown.errorCode], ["mine", "ERROR", "FLAG_NOT_FOUND"]);
  const mistaken = await client.getNumberDetails("button", 7, ANNA);
  assert.deepEqual([mistaken.value, mistaken.errorCode], [7, "TYPE_MISMATCH"]);
  const killed = await client.getStringDetails("button", "", ANNA);
  assert.deepEqual([killed.value, killed.variant, killed.reason], ["#888", "grey", "DISABLED"]);
});

test("an evaluation exposes once, with holdouts and clusters, unless the hint says no", async () => {
  const equipoise = inMemory(shop(1));
  const client = await started(equipoise);
  await client.getStringValue("button", "", ANNA, { hookHints: { exposure: false } });
  assert.deepEqual(equipoise.recorded, []);
  for (const flag of ["button", "button"]) await client.getStringValue(flag, "", ANNA);
  await client.getNumberValue("plans", 0, ANNA);
  await client.getBooleanValue("banner", false, ANNA);
  const told = equipoise.recorded.map(({ experiment, unit, cluster }) => [experiment, unit, cluster]);
  assert.deepEqual(told, [
    ["button", "anna", undefined],
    ["plans", "anna", "acme"],
    ["winter", "anna", undefined],
  ]);
});

test("an exposure can be left to call sites", async () => {
  const equipoise = inMemory(shop(1));
  const provider = new EquipoiseProvider(equipoise, { exposures: false });
  await OpenFeature.setProviderAndWait(provider);
  const client = OpenFeature.getClient();
  await client.getStringValue("button", "", ANNA);
  assert.deepEqual(equipoise.recorded, []);
  await client.getStringValue("button", "", ANNA, { hooks: [provider.exposureHook] });
  client.track("feature_flag.exposure", ANNA, { flagKey: "plans" });
  client.track("feature_flag.exposure", ANNA, { flagKey: "banner", variant: "neither" });
  assert.deepEqual(
    equipoise.recorded.map(({ experiment }) => experiment),
    ["button", "plans"],
  );
});

test("a hook that copies the metadata loses no exposure", async () => {
  const equipoise = inMemory(shop(1));
  const provider = new EquipoiseProvider(equipoise, { exposures: false });
  await OpenFeature.setProviderAndWait(provider);
  const details = await OpenFeature.getClient().getNumberDetails("plans", 0, ANNA);
  const copied = { ...details, flagMetadata: { ...details.flagMetadata } };
  await provider.exposureHook.finally?.({ context: ANNA } as never, copied);
  assert.deepEqual(
    equipoise.recorded.map(({ unit, cluster }) => [unit, cluster]),
    [["anna", "acme"]],
  );
});

test("an application's tracks keep value and properties", async () => {
  const equipoise = inMemory(shop(1));
  (await started(equipoise)).track("purchase", ANNA, { value: 12.5, currency: "EUR" });
  const [{ id: _, at: __, ...event } = {}] = equipoise.recorded;
  assert.deepEqual(event, {
    kind: "track",
    name: "purchase",
    units: { account: "acme", user: "anna" },
    value: 12.5,
    properties: { currency: "EUR" },
  });
});

test("overrides come from a token that holds, and from nothing else in a context", async () => {
  const equipoise = inMemory({ ...shop(1), preview_key: KEY });
  const client = await started(equipoise);
  const before = await client.getStringDetails("button", "", ANNA);
  const other = before.variant === "grey" ? "green" : "grey";
  const forged = { ...ANNA, overrides: { button: other }, clusters: { "plans:2": "else" } };
  assert.equal((await client.getStringDetails("button", "", forged)).variant, before.variant);
  const expires = Math.floor(Date.now() / 1000) + 60;
  const asked = { environment: "production", expires, overrides: { button: other }, project: "shop" };
  const payload = Buffer.from(JSON.stringify(asked)).toString("base64url");
  const mac = createHmac("sha256", Buffer.from(KEY, "hex"));
  const token = `p1.${payload}.${mac.update(`equipoise-preview:shop/production:${payload}`).digest("base64url")}`;
  const seen = await client.getStringDetails("button", "", { ...ANNA, equipoisePreview: token });
  assert.deepEqual([seen.variant, seen.flagMetadata["experiment.arm"]], [other, "override"]);
  const damaged = { ...ANNA, equipoisePreview: `${token}x` };
  assert.equal((await client.getStringDetails("button", "", damaged)).variant, before.variant);
});

test("dates in a context can be targeted, and the clock reaches a switchback", async () => {
  const soon = { attribute: "since", operator: "after", value: "2026-01-01" };
  const switchback = { starts_at: "2026-03-01", window_seconds: 3600, burn_in_seconds: 60, schedule: { berlin: "01" } };
  const { experiments, flags } = shop(1) as Record<"experiments" | "flags", Record<string, object>>;
  const { salt: _, ...split } = experiments["button"] as { salt: string };
  const document = shop(1, {
    experiments: { button: { ...split, switchback } },
    flags: {
      button: flags["button"],
      dated: { ...flags["theme"], rules: [{ id: "r", eligibility: soon, serve: "plain" }] },
    },
  });
  const client = await started(inMemory(document));
  const dated = await client.getObjectDetails("dated", {}, { since: new Date("2026-02-01") });
  assert.equal(dated.reason, "TARGETING_MATCH");
  const variants = await Promise.all(
    ["2026-03-01T00:30:00Z", "2026-03-01T01:30:00Z"].map(async (now) => {
      return (await client.getStringDetails("button", "", { targetingKey: "berlin", now: new Date(now) })).variant;
    }),
  );
  assert.deepEqual(variants, ["grey", "green"]);
});

test("changes, silence and the return of the server are events", async () => {
  const server = await FaultyServer.started();
  const outside = { now: () => new Date(), newId: () => crypto.randomUUID(), jitter: () => 0.01 };
  const options = { cacheDirectory: null, logger, pollIntervalSeconds: 0.05, requestTimeoutSeconds: 0.3, outside };
  const equipoise = await connect(server.url, "k", { ...options, streaming: false });
  try {
    const client = await started(equipoise, { staleAfterSeconds: 0.3 });
    const heard: string[] = [];
    for (const event of [ProviderEvents.ConfigurationChanged, ProviderEvents.Stale, ProviderEvents.Ready]) {
      client.addHandler(event, () => void heard.push(event));
    }
    await server.publish(shop(2));
    await server.until(() => heard.includes(ProviderEvents.ConfigurationChanged));
    heard.length = 0;
    await server.break("503");
    await server.until(() => heard.includes(ProviderEvents.Stale));
    await server.mend();
    await server.until(() => heard.includes(ProviderEvents.Ready));
    assert.deepEqual(heard, [ProviderEvents.Stale, ProviderEvents.Ready]);
  } finally {
    await equipoise.close();
    await server.stop();
  }
});

test("without a snapshot the provider is in error and serves defaults, and becomes ready with one", async () => {
  const server = await FaultyServer.started();
  await server.break("503");
  const outside = { now: () => new Date(), newId: () => crypto.randomUUID(), jitter: () => 0.01 };
  const options = { cacheDirectory: null, logger, pollIntervalSeconds: 0.05, startTimeoutSeconds: 0.1, outside };
  const equipoise = await connect(server.url, "k", options);
  try {
    const waiting = OpenFeature.setProviderAndWait(new EquipoiseProvider(equipoise, { startTimeoutSeconds: 0.1 }));
    await assert.rejects(waiting, /no snapshot/);
    const client = OpenFeature.getClient();
    const early = await client.getStringDetails("button", "mine", ANNA);
    assert.deepEqual([early.value, early.errorCode], ["mine", "PROVIDER_NOT_READY"]);
    let isReady = false;
    client.addHandler(ProviderEvents.Ready, () => void (isReady = true));
    await server.mend();
    await server.until(() => isReady);
    assert.match(await client.getStringValue("button", "mine", ANNA), /^#/);
  } finally {
    await equipoise.close();
    await server.stop();
  }
});
