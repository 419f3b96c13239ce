// check-openapi.mjs FILE: says what is wrong with an OpenAPI document, one line each. The document
// itself by a validator; then every schema in it is compiled, and every example must fit its own.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
const base = "https://document.invalid/";
const ajv = new Ajv({ strict: false, allErrors: true });
formats(ajv);
ajv.addSchema({ $id: base, ...document }, undefined, undefined, false);

let schemas = 0, examples = 0;
const wrong = [];

function checkSchema(pointer, example) {
  schemas++;
  try {
    const validate = ajv.compile({ $ref: `${base}#${pointer}` });
    if (example === undefined) return;
    examples++;
    if (!validate(example)) wrong.push(`${pointer}: ${JSON.stringify(example)}: ${ajv.errorsText(validate.errors)}`);
  } catch (error) {
    wrong.push(`${pointer}: ${error.message}`);
  }
}

const step = (name) => encodeURIComponent(name.replace(/~/g, "~0").replace(/\//g, "~1"));

// Parameters, headers and bodies: whatever has a schema of its own. Schemas are not entered.
function walk(node, pointer) {
  if (!node || typeof node !== "object") return;
  if (node.schema) checkSchema(`${pointer}/schema`, node.example);
  for (const [name, inner] of Object.entries(node))
    if (name !== "schema" && name !== "example") walk(inner, `${pointer}/${step(name)}`);
}

const result = await new Validator().validate(structuredClone(document));
if (!result.valid) wrong.push(`not OpenAPI: ${JSON.stringify(result.errors)}`);
walk(document.paths, "/paths");
walk(document.components.responses, "/components/responses");
walk(document.components.headers, "/components/headers");
for (const name of Object.keys(document.components.schemas)) checkSchema(`/components/schemas/${step(name)}`);
wrong.forEach((line) => console.error(line));
console.log(`${schemas} schemas, ${examples} examples`);
process.exitCode = wrong.length ? 1 : 0;
