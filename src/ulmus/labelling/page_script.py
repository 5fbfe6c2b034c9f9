"""The script of the labelling page. It keeps no state of its own: each answer of the server is shown as it comes."""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = r"""
"use strict";
const at = id => document.getElementById(id);
const made = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const who = new URLSearchParams(location.search).get("who") || "me";
const token = location.hash.slice(1);
const percent = share => `${Math.round(100 * share)} %`;
const number = n => n.toLocaleString("en");
let state = null, current = null, guess = null, sending = false, timer = 0, best = 0, matches = [], drawn = "";
let guessing = localStorage.getItem("guesses") !== "hidden";

async function ask(path, fields) {
  const how = {headers: {authorization: `Bearer ${token}`}};
  if (fields) {
    how.method = "POST";
    how.headers["content-type"] = "application/json";
    how.body = JSON.stringify({who, ...fields});
  }
  let answer;
  try {
    answer = await fetch(path, how);
  } catch {
    throw Error("The server does not answer. What you see is not labelled yet; try again when it runs.");
  }
  const found = await answer.json().catch(() => ({detail: "The server gave no answer that can be read."}));
  if (answer.status === 401) throw Error("Open the whole address that ulmus label printed: its end is missing here.");
  if (!answer.ok) throw Object.assign(Error(found.detail), {status: answer.status});
  return found;
}

async function act(path, fields, said) {
  if (sending) return;
  sending = true;
  try {
    const found = await ask(path, fields);
    tell("");
    if (said) at("said").textContent = said;
    show(found);
  } catch (error) {
    if (error.status === 409) await renew().catch(() => {});
    tell(error.message);
  } finally {
    sending = false;
  }
}

async function renew() {
  show(await ask(`next?who=${encodeURIComponent(who)}`));
}

function tell(message) {
  at("notice").textContent = message;
  at("notice").hidden = !message;
}

function show(found) {
  const fresh = "text" in found && (!current || !found.text || current.id !== found.text.id);
  state = found;
  if (fresh) {
    current = found.text;
    guess = null;
    closeTyping();
    showText();
    if (current) askGuess();
  }
  showState();
  showClasses();
  if (fresh && current && !state.classes.length) openTyping();
  clearTimeout(timer);
  timer = setTimeout(poll, found.busy ? 1500 : 15000);
}

async function poll() {
  if (!document.hidden && !sending) {
    try {
      const learnt = state && state.learnt, found = await ask(`state?who=${encodeURIComponent(who)}`);
      if (!sending) {
        show(found);
        if (current && found.learnt !== learnt) askGuess();
        if (!current && found.progress.labelled < found.progress.asked) await renew();
      }
    } catch (error) {
      tell(error.message);
    }
  }
  clearTimeout(timer);
  timer = setTimeout(poll, state && state.busy ? 1500 : 15000);
}

async function askGuess() {
  const id = current.id;
  if (!guessing) return;
  try {
    const found = await ask(`guess?id=${id}`);
    if (current && current.id === id) {
      guess = found.guess;
      showText();
      showClasses();
    }
  } catch {}
}

function showText() {
  const box = at("text"), top = guess ? box.scrollTop : 0;
  box.classList.toggle("done", !current);
  if (!current) {
    const left = state.progress.asked - state.progress.labelled;
    const sentence = left ? "Nothing is left for you: the last texts are with other people."
      : "Every text has a label. Stop the server with Ctrl-C; a classifier learns from the labels with:";
    box.replaceChildren(made("p", sentence), ...(left ? [] : [made("code", state.command, "command")]));
    at("about").textContent = "";
    return;
  }
  const parts = guess && guessing ? guess.parts : [[current.text, 0]];
  box.replaceChildren(...parts.map(([text, share]) => {
    if (!share) return document.createTextNode(text);
    const mark = made("mark", text, share > 0 ? "for" : "against");
    mark.style.setProperty("--a", (0.3 * Math.abs(share)).toFixed(2));
    return mark;
  }));
  if (current.more) box.append(made("p", `${number(current.more)} more characters are not shown.`, "faint"));
  box.scrollTop = top;
  showAbout();
  if (at("typing").hidden && !at("more").open && !guess) box.focus({preventScroll: true});
}

function showAbout() {
  const about = at("about"), why = current.skipped ? "Skipped before." : current.drawn ? "Drawn at random." : "";
  about.replaceChildren();
  if (guess && guessing) {
    about.append("The model guesses ", made("b", guess.label), `, ${percent(guess.others[0][1])}. `);
    if (guess.parts.some(part => part[1])) {
      const mark = made("mark", "Underlined", "for"), dots = made("mark", "dotted", "against");
      for (const one of [mark, dots]) one.style.setProperty("--a", ".15");
      about.append(mark, " words speak for it, ", dots, " ones against it. ");
    }
  }
  about.append(why);
}

function showState() {
  const {asked, labelled, skipped, people} = state.progress;
  at("who").textContent = who === "me" ? "" : `· ${who}`;
  at("bar").max = Math.max(asked, 1);
  at("bar").value = labelled;
  at("count").textContent = `${number(labelled)} of ${number(asked)} labelled`
    + (skipped ? `, ${number(skipped)} skipped` : "");
  at("models").textContent = state.model.join(" ");
  at("retrain").firstElementChild.textContent = state.busy ? "Learning …" : "Retrain";
  const last = state.last, what = last && (last.do === "skip" ? "skipped" : last.label);
  at("last").replaceChildren(...(last ? [made("b", what), document.createTextNode(`: ${last.text}`)] : []));
  at("undo").disabled = !state.last;
  at("skip").disabled = at("other").disabled = !current;
  at("command").textContent = state.command;
  tally("tally", Object.entries(state.progress.classes));
  tally("people", Object.entries(people).map(([name, n]) => [`by ${name}`, n]));
}

function tally(id, rows) {
  at(id).replaceChildren(...rows.map(([name, n]) => {
    const row = made("tr");
    row.append(made("td", name), made("td", number(n), "number"));
    return row;
  }));
}

function showClasses() {
  const shares = new Map(guess && guessing ? guess.others : []);
  const now = JSON.stringify([state.classes.slice(0, 9), [...shares], !current]);
  if (now === drawn) return;  // a button that has the focus keeps it
  drawn = now;
  const buttons = state.classes.slice(0, 9).map((name, i) => {
    const button = made("button"), label = made("span", name, "name");
    const guessed = guess && guessing && guess.label === name;
    label.dir = "auto";
    button.title = name;
    button.disabled = !current;
    button.setAttribute("aria-keyshortcuts", String(i + 1));
    button.append(made("kbd", String(i + 1)), label);
    if (guessed) button.className = "guess";
    if (shares.has(name)) {
      button.append(made("span", percent(shares.get(name)), "share"));
      if (guessed) button.append(made("span", "the guess", "unseen"));
      const line = made("span", "", "line");
      line.style.setProperty("--p", Math.round(100 * shares.get(name)));
      button.append(line);
    }
    button.addEventListener("click", () => label_(name));
    return button;
  });
  at("classes").replaceChildren(...buttons);
  at("classes").hidden = !buttons.length;
}

function label_(name) {
  if (current) act("label", {id: current.id, label: name}, `Labelled ${name}. The next text:`);
}
function skip() {
  if (current) act("skip", {id: current.id}, "Skipped. The next text:");
}
function undo() {
  act("undo", {}, "Taken back. The text again:");
}
function retrain() {
  act("retrain", {}, "The model is learning.");
}
function agree() {
  if (guess && guessing) label_(guess.label);
}
function toggleGuesses() {
  guessing = !guessing;
  localStorage.setItem("guesses", guessing ? "shown" : "hidden");
  if (!current) return;
  showText();
  showClasses();
  if (guessing) askGuess();
}

function openTyping() {
  if (!current) return;
  at("typing").hidden = false;
  at("name").value = "";
  suggest();
  at("name").focus();
}
function closeTyping() {
  at("typing").hidden = true;
}
function suggest() {
  const typed = at("name").value.trim().replace(/\s+/g, " "), small = typed.toLowerCase();
  matches = state.classes.filter(name => name.toLowerCase().startsWith(small)).map(name => [name, name]);
  if (typed && !state.classes.includes(typed)) matches.push([typed, `New class: ${typed}`]);
  best = 0;
  showFound();
}
function showFound() {
  at("found").replaceChildren(...matches.map(([name, shown], i) => {
    const item = made("li", shown);
    item.id = `found${i}`;
    item.dir = "auto";
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(i === best));
    item.addEventListener("click", () => label_(name));
    return item;
  }));
  at("name").setAttribute("aria-activedescendant", matches.length ? `found${best}` : "");
  if (matches.length) at("found").children[best].scrollIntoView({block: "nearest"});
}

at("name").addEventListener("input", suggest);
at("name").addEventListener("keydown", event => {
  event.stopPropagation();
  if (event.isComposing) return;
  if (event.key === "Escape") {
    closeTyping();
    at("text").focus();
  } else if (event.key === "Enter" && matches.length && at("name").value.trim()) {
    label_(matches[best][0]);
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    best = (best + (event.key === "ArrowDown" ? 1 : matches.length - 1)) % Math.max(matches.length, 1);
    showFound();
  }
});

// the key of another alphabet, or of a keyboard whose digits need shift, goes by its place
function letter({key, code}) {
  return key.length === 1 && key > "~" && code.startsWith("Key") ? code.at(-1).toLowerCase() : key.toLowerCase();
}
function digit({key, code, shiftKey}) {
  const typed = /^[1-9]$/.test(key) ? key : !shiftKey && /^Digit[1-9]$/.test(code) ? code.at(-1) : "";
  const name = state.classes[typed - 1];
  return typed && name !== undefined ? () => label_(name) : undefined;
}

const keys = {"/": openTyping, n: openTyping, s: skip, z: undo, u: undo, r: retrain, g: toggleGuesses,
  "?": () => at("more").showModal()};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
  if (at("more").open || !state) return;
  const does = keys[letter(event)] || digit(event);
  if (does) {
    event.preventDefault();
    does();
  } else if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
    agree();
  }
});
for (const [id, does] of [["retrain", retrain], ["skip", skip], ["undo", undo], ["other", openTyping],
  ["help", () => at("more").showModal()], ["close", () => at("more").close()]]) {
  at(id).addEventListener("click", does);
}
document.addEventListener("visibilitychange", () => document.hidden || poll());
renew().catch(error => tell(error.message));
"""
