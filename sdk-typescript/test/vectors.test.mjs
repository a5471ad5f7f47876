/** The golden vectors of spec/vectors hold in JavaScript. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { compileSnapshot, hashUnit, memberHash, pick, slot } from "../src/index.mjs";

const vectors = new URL("../../spec/vectors/", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, vectors), "utf8"));

const decoded = (blobs) =>
  new Map(Object.entries(blobs).map(([address, text]) => [address, Uint8Array.from(Buffer.from(text, "base64"))]));

test("hashes and slots", () => {
  for (const { salt, unit, hash, slot: place } of read("hashing.json")) {
    assert.deepEqual([hashUnit(salt, unit), slot(salt, unit)], [hash, place], `${salt}:${unit}`);
  }
});

test("hashes of members", () => {
  for (const { salt, unit, hash } of read("members.json")) {
    assert.equal(memberHash(salt, unit).toString(16).padStart(16, "0"), hash);
  }
});

test("picks", () => {
  for (const { hash, weights, index } of read("pick.json")) assert.equal(pick(hash, weights), index);
});

for (const file of readdirSync(new URL("evaluation/", vectors))) {
  for (const { name, snapshot, flag, context, code_default, blobs = {}, expected } of read(`evaluation/${file}`)) {
    test(`${file}: ${name}`, () => {
      const decision = compileSnapshot(snapshot, decoded(blobs)).evaluate(flag, context, code_default);
      const { metadata = {}, absent = [], holdouts = [], ...answer } = expected;
      const { value, variant, reason, errorCode, enrolment } = decision;
      assert.deepEqual({ value, variant, reason, error_code: errorCode, enrolment }, answer);
      assert.deepEqual(decision.holdouts, holdouts);
      for (const [member, wanted] of Object.entries(metadata)) assert.equal(decision.metadata[member], wanted, member);
      for (const member of absent) assert.ok(!(member in decision.metadata), member);
    });
  }
}
