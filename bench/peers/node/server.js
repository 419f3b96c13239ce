// Fastify with JSON Schema in and out, and better-sqlite3 (node:sqlite where that is not built).
// PORT and DB come from the environment; NODE_PATH points at the installed packages.
"use strict";

const fastify = require("fastify")({
  logger: false,
  keepAliveTimeout: 0,
  ajv: { customOptions: { coerceTypes: false } }, // as strict as the others: "5" is not 5
});

function open(path) {
  let connection;
  try {
    connection = new (require("better-sqlite3"))(path);
  } catch {
    connection = new (require("node:sqlite").DatabaseSync)(path);
  }
  connection.exec("pragma journal_mode = wal; pragma synchronous = full");
  return connection;
}

let statements;

function db() {
  if (!statements) {
    const connection = open(process.env.DB);
    statements = {
      user: connection.prepare("select id, name, email from users where id = ?"),
      order: connection.prepare(
        "insert into orders(user_id, sku, qty, total_cents) values (?, ?, ?, ?)",
      ),
    };
  }
  return statements;
}

const integer = { type: "integer" };
const text = { type: "string", minLength: 1, maxLength: 64 };
const object = (properties) => ({ type: "object", properties, required: Object.keys(properties) });

fastify.post(
  "/greet",
  {
    schema: {
      body: object({ name: text, items: { type: "array", items: integer, maxItems: 100 } }),
      response: { 200: object({ greeting: { type: "string" }, sum: integer }) },
    },
  },
  (request, reply) => {
    let sum = 0;
    for (const item of request.body.items) sum += item;
    reply.send({ greeting: "Hello, " + request.body.name + "!", sum });
  },
);

fastify.get(
  "/users/:id",
  {
    schema: {
      params: object({ id: { type: "string", pattern: "^[1-9][0-9]{0,14}$" } }),
      response: {
        200: object({ id: integer, name: { type: "string" }, email: { type: "string" } }),
      },
    },
  },
  (request, reply) => {
    const row = db().user.get(Number(request.params.id));
    if (row) reply.send(row);
    else reply.code(404).send({ status: 404, detail: "no such user" });
  },
);

fastify.post(
  "/orders",
  {
    schema: {
      body: object({
        user_id: { type: "integer", minimum: 1 },
        sku: text,
        qty: { type: "integer", minimum: 1, maximum: 99 },
        price_cents: { type: "integer", minimum: 0 },
      }),
      response: { 200: object({ id: integer, total_cents: integer }) },
    },
  },
  (request, reply) => {
    const { user_id, sku, qty, price_cents } = request.body;
    const total_cents = qty * price_cents;
    const done = db().order.run(user_id, sku, qty, total_cents);
    reply.send({ id: Number(done.lastInsertRowid), total_cents });
  },
);

fastify.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
