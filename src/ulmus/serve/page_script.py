"""The script of the page of `ulmus serve`. Texts enter the page by `textContent` alone; it asks this server alone."""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = r"""
"use strict";
const at = (id) => document.getElementById(id);
const LISTED = 8;
// control characters and changes of the writing direction are shown, not obeyed
const UNSEEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;
const visible = (text) => text.replace(UNSEEN, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
const percent = (share) => (100 * share).toFixed(1) + " %";
const signed = (share) => (share < 0 ? "\u2212" : "+") + Math.abs(share).toFixed(2);
const count = (n) => n.toLocaleString("en");
let model = null, token = "", turn = 0;

function made(name, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function row(...cells) {
  const line = made("tr");
  line.append(...cells);
  return line;
}

function say(id, message, bad) {
  at(id).textContent = message;
  at(id).className = bad ? "bad" : "faint";
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.authorization = "Bearer " + token;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server cannot be reached. Is it still running?");
  }
  if (answer.status === 401) {
    at("entry").hidden = false;
    at("token").focus();
    throw new Error(token ? "This is not the server's token." : "This server needs its access token.");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(visible(problem.detail || "The server answered with status " + answer.status + "."));
  }
  return answer;
}

const send = (path, value) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

async function start() {
  try {
    model = await (await ask("/model")).json();
  } catch (error) {
    say("about", error.message, true);
    return;
  }
  at("entry").hidden = true;
  say("about", "The model gives each " + (model.pairs ? "pair of texts " : "text ") + outcome() + ".");
  at("second").hidden = !model.pairs;
  at("text-name").textContent = model.pairs ? "First text" : "Text";
  at("files").hidden = !model.files.length;
  at("file").accept = model.files.join(",");
  at("kinds").textContent = "Up to " + count(model.limits.rows) + " texts: " + model.files.join(", ") +
    ". The answer is a csv file with a row for each.";
}

function outcome() {
  if (model.task === "regression") return "a number";
  const n = model.classes.length, names = model.classes.slice(0, LISTED).map(visible).join(", ");
  const all = n > LISTED ? names + " and " + count(n - LISTED) + " more" : names;
  return (model.task === "multi-label" ? `any number of ${count(n)} labels: ` : `one of ${count(n)} classes: `) + all;
}

function given() {
  const texts = model.pairs ? [at("text").value, at("text-b").value] : [at("text").value];
  const whole = texts.map((text) => text.toWellFormed());
  const length = Math.max(...whole.map((text) => [...text].length));
  if (length > model.limits.characters)
    throw new Error("Expected at most " + count(model.limits.characters) + " characters, got " + count(length) + ".");
  return { text: model.pairs ? whole : whole[0], length };
}

async function predict() {
  const mine = ++turn;
  at("result").hidden = at("words").hidden = true;
  at("told").textContent = "";
  try {
    if (!model) await start();
    if (!model) return;
    const { text, length } = given();
    say("status", "Predicting \u2026");
    const found = (await (await send("/predict", { texts: [text] })).json()).predictions[0];
    if (mine !== turn) return;
    showPrediction(found);
    if (length > model.limits.explained) {
      say("status", "Words are shown for texts of up to " + count(model.limits.explained) + " characters.");
      return;
    }
    say("status", "Looking at the words \u2026");
    const explanation = await (await send("/explain", { text })).json();
    if (mine !== turn) return;
    showWords(explanation);
    say("status", "");
  } catch (error) {
    if (mine === turn) say("status", error.message, true);
  }
}

function showPrediction(found) {
  const numeric = "prediction" in found;
  const label = numeric ? String(Number(found.prediction.toPrecision(6))) : [found.label].flat().join(", ");
  at("label").textContent = visible(label) || "no label";
  at("told").textContent = "Prediction: " + at("label").textContent;
  const order = Object.entries(found.probabilities || {}).sort((a, b) => b[1] - a[1]);
  const rows = order.slice(0, LISTED).map(([name, share]) => {
    const bar = made("span", undefined, "bar");
    bar.style.width = 100 * share + "%";
    const track = made("td", undefined, "track");
    track.setAttribute("aria-hidden", "true");
    track.append(bar);
    const head = made("td", visible(name));
    head.dir = "auto";
    return row(head, made("td", percent(share), "number"), track);
  });
  if (order.length > LISTED) rows.push(row(made("td", "and " + count(order.length - LISTED) + " more", "faint")));
  at("classes").tBodies[0].replaceChildren(...rows);
  at("result").hidden = false;
}

function showWords(explanation) {
  const shares = explanation.probabilities || explanation.base;
  const names = Object.keys(shares).sort((a, b) => shares[b] - shares[a]);
  at("class").replaceChildren(...names.map((name) => {
    const option = made("option", visible(name));
    option.value = name;
    return option;
  }));
  at("class").parentElement.hidden = names.length < 2;
  at("class").onchange = () => light(explanation, at("class").value);
  light(explanation, names[0]);
  at("words").hidden = false;
}

function light(explanation, name) {
  const characters = Array.from(explanation.text), tokens = explanation.tokens;
  const part = (from, to) => visible(characters.slice(from, to).join(""));
  const largest = Math.max(...tokens.map((token) => Math.abs(token.scores[name])), 1e-9);
  const nodes = [];
  let end = 0;
  for (const token of tokens) {
    const share = token.scores[name], strength = Math.abs(share) / largest;
    nodes.push(part(end, token.start));
    const kind = strength < 0.05 ? "" : share > 0 ? "for" : "against";
    const span = made("span", part(token.start, token.end), kind);
    if (kind) span.style.setProperty("--a", (0.55 * strength).toFixed(2));
    if (kind) span.title = signed(share);
    nodes.push(span);
    end = token.end;
  }
  at("shown").replaceChildren(...nodes, part(end));
  const strongest = [...tokens].sort((a, b) => Math.abs(b.scores[name]) - Math.abs(a.scores[name]));
  at("strongest").tBodies[0].replaceChildren(...strongest.slice(0, LISTED).map((token) => {
    const word = made("td", visible(token.text.length > 80 ? token.text.slice(0, 80) + " \u2026" : token.text));
    word.dir = "auto";
    return row(word, made("td", signed(token.scores[name]), "number"));
  }));
}

async function predictFile() {
  const file = at("file").files[0];
  if (!file) return;
  at("download").hidden = true;
  URL.revokeObjectURL(at("download").href);
  const suffix = (file.name.match(/\.[a-z]+$/i) || [""])[0].toLowerCase();
  const query = new URLSearchParams({ name: "file" + suffix });
  if (at("column").value) query.set("text", at("column").value);
  try {
    if (!model.files.includes(suffix))
      throw new Error("Expected a file that ends with " + model.files.join(", ") + ".");
    if (file.size > model.limits.size_bytes)
      throw new Error("Expected at most " + count(model.limits.size_bytes) + " bytes, got " + count(file.size) + ".");
    at("send").disabled = true;
    say("file-status", "Predicting " + visible(file.name) + " \u2026");
    const headers = { "content-type": "application/octet-stream" };
    const answer = await ask("/predict/file?" + query, { method: "POST", headers, body: file });
    const table = await answer.blob();
    at("download").href = URL.createObjectURL(table);
    at("download").download = file.name.replace(/\.[a-z]+$/i, "") + "-predictions.csv";
    at("download").hidden = false;
    at("download").focus();
    say("file-status", "Done: a row for each text of " + visible(file.name) + ".");
  } catch (error) {
    say("file-status", error instanceof TypeError ? "The connection broke off. Try again." : error.message, true);
  } finally {
    at("send").disabled = false;
  }
}

at("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  start();
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  predict();
});
at("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});
at("file").addEventListener("change", () => {
  at("send").disabled = !at("file").files.length;
});
at("send").addEventListener("click", predictFile);
for (const name of ["dragover", "dragleave", "drop"])
  addEventListener(name, (event) => {
    event.preventDefault();
    const over = at("drop").contains(event.target);
    at("drop").classList.toggle("over", over && name === "dragover");
    if (name === "drop" && over && event.dataTransfer.files.length) {
      at("file").files = event.dataTransfer.files;
      at("send").disabled = false;
      predictFile();
    }
  });
start();
"""
