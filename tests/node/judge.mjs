// Reads lines {"schema": …} and {"value": …, "valid": …} as tests/unit/lua/test_property.c writes
// them, and has ajv judge each value by the schema before it. Prints how many values there were of
// each kind, and the first ones on which ajv says something else.
import { readFileSync } from "node:fs";
import addFormats from "ajv-formats";
import Ajv from "ajv/dist/2020.js";

const found = { valid: 0, invalid: 0, schemas: 0, differ: [] };
let schema;
let validate;
for (const line of readFileSync(process.argv[2], "utf8").split("\n")) {
    if (line === "") continue;
    const given = JSON.parse(line);
    if ("schema" in given) {
        const ajv = new Ajv({ strict: false, multipleOfPrecision: 9, logger: false });
        addFormats(ajv);
        schema = given.schema;
        validate = ajv.compile(schema);
        found.schemas += 1;
        continue;
    }
    found[given.valid ? "valid" : "invalid"] += 1;
    if (validate(given.value) !== given.valid && found.differ.length < 5)
        found.differ.push({ schema, line, errors: validate.errors });
}
process.stdout.write(JSON.stringify(found));
