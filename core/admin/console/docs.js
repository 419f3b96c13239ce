// Shows /openapi.json. Everything is put in as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const methods = ["get", "post", "put", "patch", "delete"];
let shown = "";

function template(path) {
  return el("span", "path", ...decodeURI(path).split(/(\{[^}]+\})/).map((part) =>
    part.startsWith("{") ? el("i", "", part) : part));
}

function chips(node, names) {
  const box = el("p", "facts");
  for (const [name, title] of names)
    if (node[name] !== undefined) box.append(el("span", "chip", title(node[name])));
  return box;
}

const parametersOf = (api, operation) => (operation.parameters ?? []).map((p) => resolve(api, p));

function showParameters(api, operation) {
  const list = parametersOf(api, operation);
  if (!list.length) return [];
  return [el("h3", "", "Parameters"), el("div", "members", ...list.map((p) =>
    member(api, p.name, p.schema, p.required, p.in, p.description, p.deprecated)))];
}

function showBody(api, operation) {
  const body = operation.requestBody?.content["application/json"];
  return body ? [el("h3", "", "Body"), whole(api, body.schema)] : [];
}

function showAnswer(api, operation) {
  const answer = operation.responses["200"]?.content?.["application/json"];
  return [el("h3", "", "Answer"), answer ? whole(api, answer.schema) : el("p", "rules", "204, without a body")];
}

function codesOf(api, response) {
  const content = resolve(api, response)?.content?.["application/problem+json"];
  return content?.schema.allOf?.[1].properties.code.enum ?? [];
}

function hostCodes(api) {
  return new Set(Object.values(api.components.responses).flatMap((r) => codesOf(api, r)));
}

function showErrors(api, operation) {
  const own = hostCodes(api), rows = [];
  for (const [status, response] of Object.entries(operation.responses))
    for (const code of response.$ref ? [] : codesOf(api, response))
      if (!own.has(code)) rows.push(el("tr", "", el("td", "", status), el("td", "", el("code", "", code))));
  const link = el("a", "", "what any capability may answer");
  link.href = "#failures";
  const more = el("p", "rules", rows.length ? "And " : "None of its own; see ", link, ".");
  return [el("h3", "", "Errors"), rows.length ? el("table", "", el("tbody", "", ...rows)) : null, more];
}

const quote = (text) => `'${text.replace(/'/g, `'\\''`)}'`;

function addressOf(api, path, operation) {
  const server = api.servers?.[0]?.url ?? "/";
  const base = server.startsWith("http") ? server.replace(/\/$/, "") : location.origin;
  const value = (p) => encodeURIComponent(p.example ?? "…");
  const list = parametersOf(api, operation);
  const filled = list.filter((p) => p.in === "path").reduce((at, p) => at.replace(`{${p.name}}`, () => value(p)), path);
  const query = list.filter((p) => p.in === "query" && p.required).flatMap((p) =>
    [p.example ?? "…"].flat().map((one) => `${encodeURIComponent(p.name)}=${encodeURIComponent(one)}`));
  return base + filled + (query.length ? `?${query.join("&")}` : "");
}

function curl(api, path, method, operation) {
  const words = ["curl"];
  const body = operation.requestBody?.content["application/json"];
  const url = addressOf(api, path, operation);
  if (!(method === "get" || (method === "post" && body))) words.push(`-X ${method.toUpperCase()}`);
  words.push(/^[\w:/.@%~-]+$/.test(url) ? url : quote(url));
  for (const p of parametersOf(api, operation))
    if (p.in === "header" && p.required) words.push(`\\\n  -H ${quote(`${p.name}: ${p.example ?? "…"}`)}`);
  if (body) words.push(`\\\n  -d ${quote(body.example === undefined ? "{…}" : JSON.stringify(body.example))}`);
  return words.join(" ");
}

function showExample(api, path, method, operation) {
  const text = curl(api, path, method, operation);
  const button = el("button", "", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  });
  return [el("h3", "", "Example"), el("div", "copied", el("pre", "", text), button)];
}

function fillCapability(api, path, method, operation) {
  const old = operation["x-pinion-deprecated"];
  const told = operation.description?.replace(/(\n\n)?Deprecated: [^]*$/, "");
  return el("div", "inside",
    old ? el("p", "notice", `Deprecated: ${old}`) : null,
    told ? el("p", "says", told) : null,
    ...showParameters(api, operation), ...showBody(api, operation), ...showAnswer(api, operation),
    ...showErrors(api, operation), ...showExample(api, path, method, operation));
}

function showCapability(api, path, method, operation, open) {
  const id = operation.operationId;
  const box = el("details", `capability${operation.deprecated ? " deprecated" : ""}`, el("summary", "",
    el("span", `method ${method}`, method.toUpperCase()), template(path),
    el("code", "id", `${operation["x-pinion-kind"]} ${id}`),
    operation.summary === id ? null : el("span", "says", operation.summary)));
  box.id = id;
  box.dataset.words = [id, path, decodeURI(path), method, operation.summary, operation.description,
    ...parametersOf(api, operation).map((p) => p.name),
    ...Object.keys(operation.requestBody?.content["application/json"].schema.properties ?? {})].join(" ").toLowerCase();
  const fill = () => box.childElementCount === 1 && box.append(fillCapability(api, path, method, operation));
  box.addEventListener("toggle", fill, { once: true });
  if (open) { fill(); box.open = true; }
  return box;
}

function operationsOf(api, tag) {
  return Object.entries(api.paths).flatMap(([path, item]) => methods.filter((m) => item[m]?.tags.includes(tag))
    .map((method) => ({ path, method, operation: item[method] })));
}

function showPlugin(api, tag, opened) {
  const facts = [["x-pinion-version", (v) => `version ${v}`], ["x-pinion-layer", (v) => v], ["x-pinion-owner", (v) => v]];
  return el("section", "plugin", el("h2", "", tag.name),
    tag.description ? el("p", "tells", tag.description) : null, chips(tag, facts),
    ...operationsOf(api, tag.name).map(({ path, method, operation }) =>
      showCapability(api, path, method, operation, opened.has(operation.operationId))));
}

function showIndex(api) {
  byId("index").replaceChildren(...api.tags.flatMap((tag) => [el("h2", "", tag.name),
    ...operationsOf(api, tag.name).map(({ operation }) => {
      const link = el("a", "", operation.operationId.slice(tag.name.length + 1));
      link.href = `#${operation.operationId}`;
      link.dataset.of = operation.operationId;
      return link;
    })]));
}

function showFailures(api) {
  const rows = Object.values(api.components.responses).map((response, i) => {
    const codes = codesOf(api, response), status = [400, 500, 503, 504, 507][i] ?? "other";
    return el("tr", "", el("td", "", String(status)), el("td", "", response.description),
      el("td", "", el("code", "", codes.join(" "))));
  });
  byId("failure-list").replaceChildren(...rows);
  byId("failures").hidden = false;
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const box of document.querySelectorAll(".capability")) {
    box.hidden = !words.every((word) => box.dataset.words.includes(word));
    count += !box.hidden;
    document.querySelector(`nav a[data-of="${box.id}"]`).hidden = box.hidden;
  }
  for (const section of document.querySelectorAll(".plugin"))
    section.hidden = words.length > 0 && !section.querySelector(".capability:not([hidden])");
  byId("count").textContent = count === 1 ? "1 capability" : `${count} capabilities`;
}

function follow() {
  const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

function show(api) {
  const opened = new Set([...document.querySelectorAll(".capability[open]")].map((box) => box.id));
  byId("message").hidden = api.tags.length > 0;
  byId("message").textContent = "Nothing is served yet.";
  byId("about").textContent = api.info.description;
  byId("plugins").replaceChildren(...api.tags.map((tag) => showPlugin(api, tag, opened)));
  showIndex(api);
  showFailures(api);
  search();
}

async function load() {
  try {
    const answer = await fetch("openapi.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(`the host answered ${answer.status}`);
    const text = await answer.text();
    if (text === shown) return;
    const first = shown === "";
    shown = text;
    show(JSON.parse(text));
    if (first) follow();
  } catch (error) {
    byId("message").hidden = false;
    byId("message").textContent = `The document cannot be had: ${error.message}`;
  }
}

byId("search").addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.tagName === "INPUT") return;
  event.preventDefault();
  byId("search").focus();
});
window.addEventListener("hashchange", follow);
window.addEventListener("focus", load);
load();
