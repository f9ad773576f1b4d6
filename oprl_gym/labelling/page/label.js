// The labelling page: shows a pair, sends the answer, shows the next pair.
// Whatever comes from the server is put on the page as text, never as HTML.

import { makeClip } from "./clips.js";

const SPEEDS = [1, 2, 4, 8, 15, 30, 60]; // steps a second
const REST_MS = 900; // at the end of a loop
const POLL_MS = 300; // while there is nothing to compare
const RETRY_MS = 1500; // while the server is away

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const player = { step: 0, paused: false, speed: 3, since: 0 };
let clips = null; // { left, right } of the pair on the page
let showing = null; // its number; null while there is none to be answered
let timer = null; // of the next look for a pair
let underway = Promise.resolve(); // the latest answer; an undo must not overtake it
let latest = 0; // number of the latest look

// --- talking to the server --------------------------------------------------------

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const values = await response.json();
  if (response.status === 503) throw new Busy(values.error); // somebody else writes
  if (!response.ok) throw new Refused(values.error);
  return values;
}

class Refused extends Error {}
class Busy extends Error {}

async function next() {
  clearTimeout(timer);
  const mine = (latest += 1);
  try {
    const values = await call("question");
    // An undo right after an answer asks a second time; what was asked first is old.
    if (mine === latest) await show(values, mine);
  } catch (error) {
    if (mine === latest) fail(error, next);
  }
}

async function answer(choice) {
  if (showing === null) return;
  const answered = showing;
  setShowing(null); // one answer for one pair, however often a key is hit
  mark(choice);
  underway = send(answered, choice);
  await underway;
}

async function send(answered, choice) {
  try {
    const { scores } = await call("answer", { showing: answered, choice });
    say(`Saved. ${told(scores)}`);
  } catch (error) {
    // The server knows an answer that it has heard before, so it is safe to repeat.
    if (!(error instanceof Refused)) return fail(error, () => send(answered, choice));
    say(error.message, true);
  }
  await next();
}

async function undo() {
  await underway;
  const kept = showing;
  setShowing(null);
  try {
    clearTimeout(timer);
    const { undone } = await call("undo", {});
    say(undone ? "Taken back. Here is that pair again." : "There is nothing to undo.");
    await next();
  } catch (error) {
    setShowing(kept);
    fail(error, next);
  }
}

function fail(error, again) {
  if (error instanceof Refused) return say(error.message, true);
  say(error instanceof Busy ? error.message :
    "The server does not answer. Start it again and open the address it prints; " +
    "every saved answer is kept.", true);
  timer = setTimeout(again, RETRY_MS);
}

// --- showing ----------------------------------------------------------------------

async function show({ title, pair, progress }, mine) {
  $("title").textContent = title;
  document.title = `Which is better? ${title}`;
  showProgress(progress);
  $("pair").hidden = pair === null;
  $("nothing").hidden = pair !== null;
  if (pair !== null) return showPair(pair, mine);
  clips = null;
  setShowing(null);
  timer = setTimeout(next, POLL_MS);
}

async function showPair(pair, mine) {
  const loaded = { left: makeClip(pair.left), right: makeClip(pair.right) };
  await Promise.all([loaded.left.ready(), loaded.right.ready()]);
  if (mine !== latest) return;
  clips = loaded;
  for (const side of ["left", "right"]) {
    $(`${side}-clip`).setAttribute("aria-label", `${side === "left" ? "Left" : "Right"} clip`);
    $(`${side}-words`).textContent = clips[side].words();
  }
  mark(null);
  const steps = longer();
  $("step").max = steps;
  player.paused = still;
  go(still ? steps : 0);
  showPause();
  setShowing(pair.showing);
}

function setShowing(number) {
  showing = number;
  document.body.dataset.showing = number === null ? "" : number;
}

function showProgress({ answered, waiting, repeats, consistent, aside }) {
  $("count").textContent = `${answered} answered · ${waiting} to go` +
    (aside ? ` · ${aside} cannot be shown` : "");
  $("bar").style.width = `${(100 * answered) / Math.max(1, answered + waiting)}%`;
  $("consistency").textContent =
    repeats ? `You agree with yourself in ${consistent} of ${repeats} repeats` : "";
}

function told(scores) {
  if (scores === null) return "";
  const [left, right] = [scores.left, scores.right].map((value) => value.toFixed(1).replace("-", "−"));
  const verdict = { true: ", as you do", false: ", unlike you" }[scores.agrees] || "";
  return `The learned reward gave ${left} to left and ${right} to right${verdict}.`;
}

function mark(choice) {
  document.querySelector(".clip.left").classList.toggle("chosen", choice === "left");
  document.querySelector(".clip.right").classList.toggle("chosen", choice === "right");
}

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

// --- playing ----------------------------------------------------------------------

const longer = () => Math.max(clips.left.steps, clips.right.steps);

function go(step) {
  player.step = step;
  player.since = performance.now();
  draw();
}

function draw() {
  for (const side of ["left", "right"]) {
    clips[side].draw($(`${side}-clip`), player.step);
    $(`${side}-end`).hidden = player.step < clips[side].steps;
  }
  $("step").value = player.step;
  $("counter").textContent = `step ${player.step} of ${longer()}`;
}

function tick(now) {
  if (clips && !player.paused) {
    const atEnd = player.step >= longer();
    const due = atEnd ? REST_MS : 1000 / SPEEDS[player.speed];
    if (now - player.since >= due) go(atEnd ? 0 : player.step + 1);
  }
  requestAnimationFrame(tick);
}

function pause() {
  player.paused = !player.paused;
  player.since = performance.now();
  showPause();
}

function showPause() {
  $("pause").classList.toggle("paused", player.paused);
  $("pause").setAttribute("aria-label", player.paused ? "Play" : "Pause");
}

function faster(change) {
  player.speed = Math.min(SPEEDS.length - 1, Math.max(0, player.speed + change));
  $("speed").textContent = `${SPEEDS[player.speed]}/s`;
}

function help() {
  if ($("keys").open) $("keys").close();
  else $("keys").showModal();
}

// --- keys and buttons -------------------------------------------------------------

const ACTIONS = {
  left: () => answer("left"),
  right: () => answer("right"),
  equal: () => answer("equal"),
  skip: () => answer("skip"),
  undo,
  pause,
  slower: () => faster(-1),
  faster: () => faster(1),
  help,
};

const KEYS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "equal",
  "=": "equal",
  ArrowDown: "skip",
  s: "skip",
  z: "undo",
  " ": "pause",
  "-": "slower",
  "+": "faster",
  "?": "help",
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const onSlider = event.target === $("step") && event.key.startsWith("Arrow");
  if (!action || onSlider) return;
  if ($("keys").open && action !== "help") return;
  event.preventDefault(); // no scrolling, and no click on the button last used
  if (event.type === "keydown" && !event.repeat) ACTIONS[action]();
}

for (const name of Object.keys(ACTIONS)) $(name).addEventListener("click", ACTIONS[name]);
addEventListener("keydown", onKey);
addEventListener("keyup", onKey); // a space released clicks a button in some browsers
addEventListener("resize", () => clips && draw());
$("step").addEventListener("pointerup", () => $("step").blur()); // arrows answer again
$("step").addEventListener("input", (event) => {
  player.paused = true;
  showPause();
  go(Number(event.target.value));
});

faster(0);
requestAnimationFrame(tick);
next();
