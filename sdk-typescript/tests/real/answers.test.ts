/** In Node: OpenFeature's OFREP provider and our own, against a real server, agree and see a change. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import {
  OpenFeature,
  type Client as OpenFeatureClient,
  type EvaluationDetails,
  type FlagValue,
} from "@openfeature/server-sdk";
import { EquipoiseProvider } from "../../src/openfeature/server.js";
import { connect, type Client } from "../../src/server/index.js";
import { eventually, FLAGS, post, previewOf, SCENE } from "./scene.js";

const ANNA = { targetingKey: "anna" };
const DOMAINS = ["ofrep", "equipoise"] as const;
let equipoise: Client;

before(async () => {
  equipoise = await connect(SCENE.url, SCENE.server_key, {
    cacheDirectory: null,
    startTimeoutSeconds: 10,
    verifyKeys: [SCENE.verify_key],
  });
  const headers: [string, string][] = [["X-API-Key", SCENE.client_key]];
  const remote = new OFREPProvider({ baseUrl: SCENE.url, headersFactory: () => headers });
  await OpenFeature.setProviderAndWait("ofrep", remote as never);
  await OpenFeature.setProviderAndWait("equipoise", new EquipoiseProvider(equipoise, { exposures: false }));
});

after(async () => {
  await OpenFeature.close();
  await equipoise.close();
});

async function asked(client: OpenFeatureClient, key: string, like: unknown): Promise<EvaluationDetails<FlagValue>> {
  if (typeof like === "boolean") return client.getBooleanDetails(key, !like, ANNA);
  if (typeof like === "string") return client.getStringDetails(key, "mine", ANNA);
  if (typeof like === "number") return client.getNumberDetails(key, -1, ANNA);
  return client.getObjectDetails(key, {}, ANNA);
}

for (const domain of DOMAINS) {
  for (const [key, wanted] of Object.entries(FLAGS)) {
    test(`${domain}: ${key}`, async () => {
      const { reason, value, variant, errorCode } = await asked(OpenFeature.getClient(domain), key, wanted.value);
      assert.deepEqual({ value, variant, reason, errorCode }, { ...wanted, errorCode: undefined });
    });
  }

  test(`${domain}: an unknown flag`, async () => {
    const { errorCode, reason, value } = await OpenFeature.getClient(domain).getStringDetails("no-such", "mine", ANNA);
    assert.deepEqual([value, reason, errorCode], ["mine", "ERROR", "FLAG_NOT_FOUND"]);
  });

  test(`${domain}: a change is seen, and taken back`, async () => {
    const client = OpenFeature.getClient(domain);
    const isOn = () => client.getBooleanValue("changing", false, ANNA);
    await eventually(isOn);
    await post("changing", "kill");
    await eventually(async () => !(await isOn()));
    assert.equal((await client.getBooleanDetails("changing", true, ANNA)).reason, "DISABLED");
    await post("changing", "unkill");
    await eventually(isOn);
  });
}

test("numbers are written as they were declared: 1.0 stays a decimal, 3 stays whole", async () => {
  for (const [key, written] of [
    ["decimal", '"value":1.0'],
    ["whole", '"value":3,'],
  ] as const) {
    const answer = await fetch(`${SCENE.url}/ofrep/v1/evaluate/flags/${key}`, {
      method: "POST",
      headers: { "x-api-key": SCENE.client_key, "content-type": "application/json" },
      body: "{}",
    });
    assert.ok((await answer.text()).includes(written), written);
  }
});

test("a hundred units get the same variants from both, and both arms are met", async () => {
  const seen = new Set<string>();
  for (let n = 0; n < 100; n++) {
    const context = { targetingKey: `unit-${n}` };
    const details = await Promise.all(
      DOMAINS.map((name) => OpenFeature.getClient(name).getStringDetails("button", "", context)),
    );
    const [remote, own] = details.map(({ reason, value, variant, flagMetadata }) => {
      return { reason, value, variant, arm: flagMetadata["experiment.arm"] };
    });
    assert.deepEqual(remote, own);
    assert.equal(own?.reason, "SPLIT");
    seen.add(String(own.variant));
  }
  assert.deepEqual(seen, new Set(["grey", "green"]));
});

test("members of a list that is known by hashes alone are recognised by both", async () => {
  for (let n = 0; n < 30; n++) {
    const context = { targetingKey: `unit-${n}` };
    const values = await Promise.all(
      DOMAINS.map((name) => OpenFeature.getClient(name).getStringValue("listed", "", context)),
    );
    assert.deepEqual(values, n % 2 === 0 ? ["member", "member"] : ["stranger", "stranger"]);
  }
});

test("a link to a preview holds for the client as for the server", async () => {
  const token = await previewOf({ button: "green" });
  await eventually(async () => (await equipoise.preview(token))["button"] === "green");
  for (let n = 0; n < 10; n++) {
    const context = { targetingKey: `unit-${n}`, equipoisePreview: token };
    const details = await Promise.all(
      DOMAINS.map((name) => OpenFeature.getClient(name).getStringDetails("button", "", context)),
    );
    const told = details.map(({ variant, flagMetadata }) => [variant, flagMetadata["experiment.arm"]]);
    assert.deepEqual(told, [
      ["green", "override"],
      ["green", "override"],
    ]);
  }
});

test("a client with another key to verify takes nothing from this server", async () => {
  const verifyKeys = [Buffer.alloc(32, 7).toString("base64")];
  const logger = { warn: () => undefined };
  const other = await connect(SCENE.url, SCENE.server_key, { cacheDirectory: null, verifyKeys, logger });
  await eventually(() => other.status.lastError !== null);
  assert.equal(other.status.ready, false);
  await other.close();
});

test("the client's stream is live, and its events are accepted", async () => {
  await eventually(() => equipoise.status.source === "stream");
  equipoise.string("button", "", { units: { user: "anna" } });
  equipoise.track("purchase", { units: { user: "anna" } }, { value: 3 });
  assert.equal(await equipoise.flush(5), true);
  assert.deepEqual([equipoise.status.queued, equipoise.status.dropped, equipoise.status.lastError], [0, 0, null]);
});
