/**
 * Reads {"tables": {name: {column: type}}, "statements": {name: text}} and says of each statement what BigQuery's
 * language has against it, or null, in its last line. The analyzer is a process that listens on this machine alone.
 */

import { once } from "node:events";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import zetasql from "@fivetrandevelopers/zetasql";

const FEATURES = [
  "FEATURE_ANALYTIC_FUNCTIONS",
  "FEATURE_BIGNUMERIC_TYPE",
  "FEATURE_JSON_TYPE",
  "FEATURE_JSON_VALUE_EXTRACTION_FUNCTIONS",
  "FEATURE_NAMED_ARGUMENTS",
  "FEATURE_NUMERIC_TYPE",
  "FEATURE_V_1_1_WITH_ON_SUBQUERY",
  "FEATURE_V_1_2_CIVIL_TIME",
  "FEATURE_V_1_2_SAFE_FUNCTION_CALL",
];
const TYPES = {
  BOOL: "TYPE_BOOL",
  FLOAT64: "TYPE_DOUBLE",
  INT64: "TYPE_INT64",
  STRING: "TYPE_STRING",
  TIMESTAMP: "TYPE_TIMESTAMP",
};

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function catalogOf(tables, languageOptions) {
  const table = Object.entries(tables).map(([name, columns]) => ({
    name,
    column: Object.entries(columns).map(([column, kind]) => ({ name: column, type: { typeKind: TYPES[kind] } })),
  }));
  return { name: "history", table, builtinFunctionOptions: { languageOptions } };
}

const { tables, statements } = JSON.parse(await text(process.stdin));
const languageOptions = {
  productMode: "PRODUCT_EXTERNAL",
  enabledLanguageFeatures: FEATURES,
  supportedStatementKinds: ["RESOLVED_QUERY_STMT"],
};
const port = await freePort();
zetasql.runServer(port);
try {
  zetasql.ZetaSQLClient.init(port);
  const client = zetasql.ZetaSQLClient.getInstance();
  if (!(await client.testConnection())) throw new Error("the analyzer did not answer");
  const { registeredId } = await client.registerCatalog({ simpleCatalog: catalogOf(tables, languageOptions) });
  const found = {};
  for (const [name, sqlStatement] of Object.entries(statements)) {
    try {
      await client.analyze({ registeredCatalogId: registeredId, options: { languageOptions }, sqlStatement });
      found[name] = null;
    } catch (fault) {
      found[name] = fault.details ?? String(fault);
    }
  }
  console.log(JSON.stringify(found));
} finally {
  zetasql.terminateServer();
}
process.exit(0);
