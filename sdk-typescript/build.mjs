/** Builds the package into dist/ (types and modules by tsc, the browser's bundle by esbuild) and the tests into build/. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const compiler = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));

for (const project of ["tsconfig.package.json", "tsconfig.json"]) {
  execFileSync(process.execPath, [compiler, "-p", project], { cwd: here, stdio: "inherit" });
}
