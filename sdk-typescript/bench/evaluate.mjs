/**
 * Prints the time of an evaluation, the work of bench/evaluate.py, beside one hash and beside @openfeature/flagd-core:
 * `npm run build && node bench/evaluate.mjs`. All cases take turns in one run; each tells its best turn.
 */
import { FlagdCore } from "@openfeature/flagd-core";
import { compileSnapshot, hashUnit } from "../dist/core/index.js";

const CALLS = 20_000;
const TURNS = 30;
const TURNS_OF_A_THOUSAND = 300; // one call each: the compiler of the engine needs some to warm up
const CONTEXT = {
  units: { user: "u-1234567890" },
  attributes: {
    ...Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`attribute${n}`, `value${n}`])),
    country: "DE",
    plan: "pro",
    age: 34,
  },
};
const FEW = { units: CONTEXT.units, attributes: { country: "DE", plan: "pro", age: 34 } };
const CLAUSES = [
  { attribute: "country", operator: "in", values: ["DE", "AT", "CH"] },
  { attribute: "plan", operator: "equals", value: "pro" },
  { attribute: "age", operator: "greater_or_equal", value: 18 },
];
const ELSEWHERE = [
  { attribute: "country", operator: "in", values: ["FR", "ES"] },
  { attribute: "plan", operator: "equals", value: "free" },
  { attribute: "age", operator: "less", value: 18 },
];

/** `count` flags, each with an experiment in a layer of its own and three rules. */
function snapshot(count, { eligibility = null, slots = [[0, 10_000]] } = {}) {
  const keys = Array.from({ length: count }, (_, n) => `flag${n}`);
  const each = (make) => Object.fromEntries(keys.map((key) => [key, make(key)]));
  return {
    format: 1,
    project: "bench",
    environment: "bench",
    epoch: 1,
    revision: 1,
    default_unit_type: "user",
    unit_types: ["user"],
    layers: each((key) => ({ salt: `layer-${key}`, unit_type: "user" })),
    experiments: each((key) => experiment(key, eligibility, slots)),
    flags: each(flag),
  };
}

function experiment(key, eligibility, slots) {
  return {
    iteration: 1,
    layer: key,
    unit_type: "user",
    state: "running",
    eligibility,
    slots,
    salt: `split-${key}`,
    control: "control",
    variants: [
      { key: "control", weight: 1, values: { [key]: "off" } },
      { key: "treatment", weight: 1, values: { [key]: "on" } },
    ],
  };
}

function flag(key) {
  const rules = ELSEWHERE.map((clause, n) => ({ id: `r${n}`, eligibility: clause, serve: "on" }));
  return { type: "boolean", variants: { on: true, off: false }, off: "off", default: "off", experiments: [key], rules };
}

/** The same targeting and split for flagd: three clauses, a bucket for the layer, a bucket for the arm. */
function flagd() {
  const clauses = [
    { in: [{ var: "country" }, ["DE", "AT", "CH"]] },
    { "===": [{ var: "plan" }, "pro"] },
    { ">=": [{ var: "age" }, 18] },
  ];
  const bucket = (salt, ...parts) => ({ fractional: [{ cat: [salt, ":", { var: "targetingKey" }] }, ...parts] });
  const inLayer = bucket("layer-flag0", [true, 10_000]);
  const split = bucket("split-flag0", ["off", 1], ["on", 1]);
  const targeting = { if: [{ and: [...clauses, inLayer] }, split, "off"] };
  const core = new FlagdCore();
  const flags = { flag0: { state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off", targeting } };
  core.setConfigurations(JSON.stringify({ flags }));
  const context = { targetingKey: "u-1234567890", ...CONTEXT.attributes };
  const silent = { error() {}, warn() {}, info() {}, debug() {} };
  return () => core.resolveBooleanEvaluation("flag0", false, context, silent);
}

function evaluation(document, context = CONTEXT) {
  const compiled = compileSnapshot(document);
  return () => compiled.evaluate("flag0", context, false);
}

let sink = 0;

/** A loop compiled for each case alone: shared, it would know too many kinds of work to inline any. */
function looped(work) {
  return new Function(
    "work",
    "calls",
    "let sink = 0; for (let n = 0; n < calls; n++) if (work()) sink++; return sink;",
  ).bind(null, work);
}

function turn(loop, calls) {
  const began = process.hrtime.bigint();
  sink += loop(calls);
  return Number(process.hrtime.bigint() - began) / calls;
}

function measured(cases, calls, turns = TURNS) {
  const best = new Map(Object.keys(cases).map((name) => [name, Infinity]));
  const loops = Object.entries(cases).map(([name, work]) => [name, looped(work)]);
  for (let round = 0; round < turns; round++) {
    for (const [name, loop] of loops) best.set(name, Math.min(best.get(name), turn(loop, calls)));
  }
  return best;
}

const targeted = snapshot(1, { eligibility: { all: CLAUSES } });
const single = measured(
  {
    "one hash": () => hashUnit("k3v9q2xa", "u-1234567890"),
    "experiment decides: 2 hashes": evaluation(snapshot(1)),
    "3 targeting clauses, then the experiment: 2 hashes": evaluation(targeted),
    "the same with 3 attributes instead of 20": evaluation(targeted, FEW),
    "outside the experiment, 3 targeting rules, default: 1 hash": evaluation(snapshot(1, { slots: [] })),
    "@openfeature/flagd-core, same clauses and split": flagd(),
  },
  CALLS,
);
for (const [name, nanoseconds] of single) {
  const ratio = nanoseconds / single.get("3 targeting clauses, then the experiment: 2 hashes");
  console.log(`${name.padEnd(60)}${nanoseconds.toFixed(0).padStart(8)} ns ${ratio.toFixed(2).padStart(8)} ×`);
}

const thousand = snapshot(1_000, { eligibility: { all: CLAUSES } });
const wire = JSON.stringify(thousand);
const many = compileSnapshot(thousand);
const all = measured(
  { "evaluate 1,000 flags for one unit": () => many.evaluateAll(CONTEXT).length },
  1,
  TURNS_OF_A_THOUSAND,
);
const whole = measured(
  {
    "parse 1,000 flags": () => JSON.parse(wire) !== null,
    "load 1,000 flags": () => compileSnapshot(thousand) !== null,
    "load 1,000 flags and ask each once": () => compileSnapshot(thousand).evaluateAll(CONTEXT).length,
  },
  1,
);
for (const [name, nanoseconds] of [...all, ...whole])
  console.log(`${name.padEnd(60)}${(nanoseconds / 1e6).toFixed(2).padStart(8)} ms`);
if (sink === 0) throw new Error("nothing was evaluated");
