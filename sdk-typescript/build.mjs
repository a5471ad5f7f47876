/**
 * Builds the package into dist/ (modules and types by tsc, one script for browsers by esbuild), and with the argument
 * "tests", as npm test does, the tests into build/.
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const compiler = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));

function compile(project) {
  execFileSync(process.execPath, [compiler, "-p", project], { cwd: here, stdio: "inherit" });
}

for (const made of ["dist", "build"]) rmSync(new URL(made, import.meta.url), { recursive: true, force: true });
compile("tsconfig.package.json");
await build({
  absWorkingDir: here,
  entryPoints: ["src/browser/index.ts"],
  outfile: "dist/browser.min.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  logLevel: "warning",
});
if (process.argv[2] === "tests") compile("tsconfig.json");
