/** Writes down a batch of everything that clients report, for the test beside this one to hold against the schemas. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { inMemory } from "../../src/server/index.js";
import { placesIn } from "../../src/reporting/places.js";
import { batchOf, encoded, exposure } from "../../src/reporting/events.js";
import { shop } from "../documents.js";

test("exposures with and without clusters, holdouts and marks, and tracks", () => {
  const client = inMemory(shop(1), { exposureAttributes: ["country", "age"] });
  const context = {
    units: { user: 17, account: "acme" },
    attributes: { country: "DE", age: 34, mail: "a@example.org" },
  };
  for (const flag of ["button", "plans", "banner"]) client.details(flag, null, context);
  for (const differs of [true, false]) client.expose(client.peek("plans", 0, context), { differs });
  client.track("purchase", context, { value: 12.5, properties: { basket: [1, { a: null }] } });
  client.track("visit", context);
  assert.equal(client.recorded.length, 7);
  const { metadata, flagKey: flag } = client.peek("plans", 0, context);
  const details = { flag, revision: metadata["revision"], differs: undefined, attributes: {} };
  const fromPages = placesIn(metadata, context.units).map((place) => {
    return encoded(exposure(place, details), crypto.randomUUID(), new Date());
  });
  assert.equal(fromPages.length, 1);
  const events = [...client.recorded.map((event) => JSON.stringify(event)), ...fromPages];
  writeFileSync(process.env["EQUIPOISE_GIVEN"] ?? "", batchOf(events, new Date()));
});
