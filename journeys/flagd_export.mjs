// Asks npm's flagd evaluator what flagd_export.py wrote down: `node journeys/flagd_export.mjs DIRECTORY`.
// Its packages are those of sdk-typescript. Prints how many answers differ, and the first that do.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';

const require = createRequire(new URL('../sdk-typescript/package.json', import.meta.url));
const { FlagdCore } = require('@openfeature/flagd-core');

const directory = process.argv[2];
const silent = { error() {}, warn() {}, info() {}, debug() {} };
const core = new FlagdCore(undefined, silent);
core.setConfigurations(readFileSync(`${directory}/definition.json`, 'utf8'));
const [first, ...lines] = readFileSync(`${directory}/units.jsonl`, 'utf8').trim().split('\n');
const types = Object.entries(JSON.parse(first));
const nothing = { string: '?', boolean: false, number: -1, object: {} };

let asked = 0;
const differing = [];
for (const line of lines) {
  const [context, wanted] = JSON.parse(line);
  types.forEach(([key, type], place) => {
    const found = core.resolve(type, key, nothing[type], context, silent);
    asked += 1;
    if (!isDeepStrictEqual([found.variant, found.value], wanted[place])) {
      differing.push({ key, context, wanted: wanted[place], found: [found.variant, found.value, found.errorMessage] });
    }
  });
}
console.log(JSON.stringify({ units: lines.length, flags: types.length, asked, differing: differing.length }));
for (const one of differing.slice(0, 5)) console.error(JSON.stringify(one));
process.exitCode = differing.length ? 1 : 0;
