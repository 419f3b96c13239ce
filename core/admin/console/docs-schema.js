// A schema as people read it: a line for each member, what it is and what limits it. Named types
// open when they are asked for, so a type may contain itself.
"use strict";

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolve(api, node) {
  const steps = (ref) => ref.slice(2).split("/").map((s) => s.replace(/~1/g, "/").replace(/~0/g, "~"));
  return node && node.$ref && node.$ref.startsWith("#/") ? steps(node.$ref).reduce((at, s) => at?.[s], api) : node;
}

// What remains when null is taken out, and whether it was there.
function withoutNull(schema) {
  const { anyOf, ...rest } = schema;
  if (anyOf?.length === 2 && anyOf[1].type === "null") return [{ ...anyOf[0], ...rest }, true];
  if (!Array.isArray(schema.type)) return [schema, false];
  const kinds = schema.type.filter((kind) => kind !== "null");
  const choices = schema.enum?.filter((choice) => choice !== null);
  return [{ ...schema, type: kinds[0], ...(choices && { enum: choices }) }, kinds.length < schema.type.length];
}

function typeName(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return name.includes(".schema-") ? "JSON Schema" : name.slice(name.indexOf(".") + 1);
  }
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((choice) => JSON.stringify(choice)).join(" | ");
  if (schema.oneOf) return "one of";
  if (schema.contentEncoding) return schema.contentEncoding;
  if (schema.type === "array") return `list of ${nameWithNull(schema.items ?? {})}`;
  if (schema.type === "object" && schema.additionalProperties) return `map of ${nameWithNull(schema.additionalProperties)}`;
  if (schema.type === "string" && schema.format) return schema.format === "date-time" ? "timestamp" : schema.format;
  if (schema.pattern === "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$") return "decimal";
  return schema.type ?? "anything";
}

function nameWithNull(schema) {
  const [bare, nullable] = withoutNull(schema);
  return typeName(bare) + (nullable ? " | null" : "");
}

function range(least, most, unit) {
  const words = unit ? ` ${unit}` : "";
  if (least !== undefined && most !== undefined) return least === most ? `${least}${words}` : `${least} to ${most}${words}`;
  if (least !== undefined) return `at least ${least}${words}`;
  return most === undefined ? null : `at most ${most}${words}`;
}

function rules(schema) {
  const found = [
    range(schema.minimum, schema.maximum, ""),
    schema.multipleOf === undefined ? null : `multiples of ${schema.multipleOf}`,
    range(schema.minLength, schema.maxLength, "characters"),
    range(schema.minItems, schema.maxItems, "items"),
    range(schema.minProperties, schema.maxProperties, "members"),
    schema.uniqueItems ? "all different" : null,
    schema.pattern && !schema.contentEncoding && typeName(schema) !== "decimal" ? `matches ${schema.pattern}` : null,
    "default" in schema ? `default ${JSON.stringify(schema.default)}` : null,
    schema.examples ? `such as ${JSON.stringify(schema.examples[0])}` : null,
  ];
  return found.filter(Boolean).join(", ");
}

function opening(title, open, fill) {
  const box = el("details", "shape", el("summary", "", title));
  const show = () => box.childElementCount === 1 && box.append(fill());
  box.addEventListener("toggle", show, { once: true });
  if (open) { show(); box.open = true; }
  return box;
}

// What is below a type's line, or null: members, variants, a named type to open.
function inner(api, schema, open) {
  const [bare, nullable] = withoutNull(schema);
  if (bare.$ref) {
    const name = typeName(bare), target = resolve(api, bare), title = nullable ? `${name} | null` : name;
    if (name === "JSON Schema") return opening(title, false, () => el("pre", "", JSON.stringify(target, null, 2)));
    return opening(title, open, () => el("div", "", inner(api, target, false) ?? line(api, target)));
  }
  if (bare.type === "array") return inner(api, bare.items ?? {}, open);
  if (bare.oneOf) return el("div", "", ...bare.oneOf.map((variant) => el("div", "variant", members(api, variant))));
  if (bare.type === "object" && typeof bare.additionalProperties === "object") return inner(api, bare.additionalProperties, open);
  return bare.type === "object" ? members(api, bare) : null;
}

function line(api, schema) {
  return el("span", "", el("span", "type", nameWithNull(schema)), " ", el("span", "rules", rules(withoutNull(schema)[0])));
}

// `where` says from where a parameter comes.
function member(api, name, schema, required, where, about, old) {
  const row = el("div", `member${old || schema.deprecated ? " old" : ""}`);
  row.append(el("span", "name", name), required ? el("span", "need", "*") : "?", " ");
  if (where) row.append(el("span", "where", where), " ");
  if (!withoutNull(schema)[0].$ref) row.append(line(api, schema), " ");
  const below = inner(api, schema, false);
  if (below) row.append(below);
  const text = about ?? schema.description;
  if (text) row.append(el("p", "tells", text));
  return row;
}

function members(api, schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, of]) => member(api, name, of, required.has(name)));
  return el("div", "members", ...(rows.length ? rows : [el("span", "rules", "no members")]));
}

// A whole body or answer.
function whole(api, schema) {
  const below = inner(api, schema, true);
  const [bare, nullable] = withoutNull(schema);
  const plain = bare.type === "object" && !nullable && typeof bare.additionalProperties !== "object";
  return el("div", "", (plain && below) || bare.$ref ? null : line(api, schema), below);
}
