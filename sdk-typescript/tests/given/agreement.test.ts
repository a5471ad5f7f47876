/** The answers of the Python engine, which a test beside this one has written down, are those of this one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compileSnapshot, Members, type Context, type Decision } from "../../src/core/index.js";

interface Asked {
  readonly snapshot: unknown;
  readonly blobs: Record<string, string>;
  readonly contexts: Context[];
  readonly expected: object[][];
}

const asked = JSON.parse(readFileSync(process.env["EQUIPOISE_GIVEN"] ?? "", "utf8")) as Asked[];

function told(decision: Decision): object {
  const { flagKey: flag, value, variant, reason, errorCode: error, metadata, exposable } = decision;
  const places = exposable.map(({ unitType, clusterType, ...rest }) => {
    return { ...rest, unit_type: unitType, ...(clusterType === undefined ? {} : { cluster_type: clusterType }) };
  });
  return { flag, value, variant, reason, error, metadata: { ...metadata }, places };
}

test("every flag of every snapshot has the same answer for every context", () => {
  for (const { snapshot, blobs, contexts, expected } of asked) {
    const entries = Object.entries(blobs);
    const members = entries.map(
      ([key, text]) => [key, new Members(Uint8Array.from(Buffer.from(text, "base64")))] as const,
    );
    const compiled = compileSnapshot(snapshot, new Map(members));
    const answers = contexts.map((context) => compiled.evaluateAll(context).map(told));
    assert.deepEqual(answers, expected);
  }
});
