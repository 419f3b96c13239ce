// Shows /status and refreshes it. Everything is put in as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);

function row(cells) {
  const tr = document.createElement("tr");
  for (const cell of cells) {
    const td = document.createElement("td");
    if (cell instanceof Node) td.append(cell);
    else td.textContent = cell;
    tr.append(td);
  }
  return tr;
}

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

function bytes(n) {
  return n < 1024 * 1024 ? `${Math.round(n / 1024)} KB` : `${(n / 1024 / 1024).toFixed(1)} MB`;
}

function time(iso) {
  return new Date(iso).toLocaleTimeString();
}

function showFailures(deploys) {
  const failed = deploys.filter((d) => !d.ok);
  byId("failures").hidden = failed.length === 0;
  byId("failure-list").replaceChildren(...failed.map((d) => {
    const box = document.createElement("div");
    box.className = "failure";
    const reason = document.createElement("pre");
    reason.textContent = d.message;
    box.append(`${d.directory}, at ${d.step}, ${time(d.at)}. What served before still serves.`, reason);
    return box;
  }));
}

// What the last save or deploy of each directory changed for callers.
function showChanges(deploys) {
  const changed = deploys.filter((d) => d.contract && d.contract.changes.length);
  byId("changes").hidden = changed.length === 0;
  byId("change-list").replaceChildren(...changed.map((d) => {
    const box = document.createElement("div");
    const list = document.createElement("pre");
    const { since, compared, breaking, compatible, changes } = d.contract;
    box.className = breaking || !compared ? "failure" : "";
    list.textContent = changes.join("\n");
    box.append(compared ? `${d.plugin}, against ${since}: ${breaking} breaking, ${compatible} compatible`
      : `${d.plugin}: ${since} cannot be compared with`, list);
    return box;
  }));
}

function showPlugins(plugins, deploys) {
  byId("plugins").replaceChildren(...plugins.map((p) => {
    const deploy = deploys.find((d) => d.plugin === p.name);
    const took = deploy && (deploy.ok ? `${deploy.took_ms} ms` : "failed");
    return row([p.name, code(p.generation), p.state, deploy ? time(deploy.at) : "before this start",
      took ?? "", code(p.hash.slice(0, 12))]);
  }));
}

function showProcesses(status) {
  const control = { name: "control", ...status.control };
  const workers = status.workers.map((w, i) => ({ name: `worker ${i}`, ...w }));
  byId("processes").replaceChildren(...[control, ...workers].map((p) =>
    row([p.name, p.pid, p.state, p.respawns, p.connections ?? "", p.requests ?? "", p.bad_requests ?? "",
      p.lua_bytes === undefined ? "" : bytes(p.lua_bytes)])));
}

function setState(text, kind) {
  byId("state").textContent = text;
  byId("state").className = `pill ${kind}`;
}

async function refresh() {
  try {
    const status = await (await fetch("status", { cache: "no-store" })).json();
    byId("host").textContent = `${status.version}, ${status.mode}, serving on ${status.listen}, data in ${status.data}`;
    const failed = status.deploys.some((d) => !d.ok);
    setState(failed ? "a deploy failed" : status.ready ? "ready" : "starting", failed ? "bad" : "good");
    showFailures(status.deploys);
    showChanges(status.deploys);
    showPlugins(status.plugins, status.deploys);
    showProcesses(status);
  } catch (error) {
    setState("host does not answer", "bad");
  }
}

refresh();
setInterval(refresh, 1000);
