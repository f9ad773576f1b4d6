// The labelling page: shows a pair, sends the answer, shows the next pair.
// Whatever comes from the server is put on the page as text, never as HTML.

import { dark, makeClip } from "./clips.js";

const SPEEDS = [1, 2, 4, 8, 15, 30, 60]; // steps a second
const REST_MS = 900; // at the end of a loop
const POLL_MS = 300; // while there is nothing to compare
const CALM_MS = 3000; // once the run is over
const RETRY_MS = 1500; // while the server is away

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const narrow = matchMedia("(max-width: 40rem)"); // clips stand one above the other
const player = { step: 0, paused: false, speed: 3, since: 0 };
let clips = {}; // on the page, by side: left and right, or agent
let over = false; // whether the page tells what came of the answers
let away = false; // whether the server was, when something was last said
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
    if (mine !== latest) return;
    if (away) say("");
    await show(values, mine);
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
    say(`Saved: ${said(choice)}. ${told(scores)}`);
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
  if (over) return say("The server has ended. You can close this page.");
  say(error instanceof Busy ? error.message :
    "The server does not answer. Start it again and open the address it prints; " +
    "every saved answer is kept.", true);
  away = true;
  timer = setTimeout(again, RETRY_MS);
}

// --- showing ----------------------------------------------------------------------

async function show({ title, instructions, pair, progress, run }, mine) {
  const done = run.stage === "over";
  const thanks = done && pair === null && progress.answered + progress.others > 0;
  $("heading").textContent = thanks ? "Thank you!" : "Which is better?";
  $("title").textContent = title + (done && pair ? " · its training is over" : "");
  document.title = `Which is better? ${title}`;
  showInstructions(instructions);
  showProgress(progress);
  const wasOver = over;
  over = done && pair === null;
  $("nothing").hidden = done || pair !== null;
  $("over").hidden = !over || !wasOver;
  for (const id of ["pair", "equal", "skip"]) $(id).hidden = pair === null;
  $("undo").hidden = pair === null && progress.answered === 0;
  if (pair !== null) return showPair(pair, mine);
  setShowing(null);
  if (!over) showWaiting(run, progress);
  else if (!wasOver) {
    over = false; // until it is there
    await showOutcome();
    over = true;
    $("over").hidden = false;
  }
  timer = setTimeout(next, over ? CALM_MS : POLL_MS);
}

function showInstructions(text) {
  for (const one of document.querySelectorAll(".instructions")) {
    one.textContent = text;
    one.hidden = !text;
  }
}

async function showPair(pair, mine) {
  const loaded = { left: makeClip(pair.left), right: makeClip(pair.right) };
  await Promise.all([loaded.left.ready(), loaded.right.ready()]);
  if (mine !== latest) return;
  for (const side of ["left", "right"]) {
    $(`${side}-words`).textContent = loaded[side].words();
  }
  mark(null);
  play(loaded);
  setShowing(pair.showing);
}

function showWaiting({ stage, steps, of, resume }, progress) {
  clips = {};
  const training = stage === "training";
  $("waiting").textContent = !training ? "Nothing to compare just now" :
    steps >= of ? "Measuring…" : "Training…";
  $("steps").hidden = !training;
  $("steps").setAttribute("aria-valuenow", Math.min(100, Math.round((100 * steps) / of)));
  $("steps").firstElementChild.style.width = `${Math.min(100, (100 * steps) / of)}%`;
  $("resume").hidden = training;
  $("resume").textContent = resume;
  $("why").textContent = !training ?
    "No training goes on in this run. Your answers are safe. To go on with it:" :
    steps >= of ? "The last step is taken. What the agent has learned is being measured." :
    `${number(steps)} of ${number(of)} steps. ${toCome(progress)} ` +
    "You may close this page at any time and come back.";
}

function toCome({ answered, others, waiting, to_come: more }) {
  if (answered + others > 0 && waiting === 0 && more === 0) {
    return "All questions are answered; what they did is told here at the end.";
  }
  const does = answered ? "learns from your answers" : "makes its first tries";
  return `The agent ${does}; the next pair appears here by itself.`;
}

async function showOutcome() {
  clips = {};
  const { change, agreed, judged, again, answers } = await call("outcome");
  const rows = [];
  const share = (value) => `${Math.round(100 * value)} %`;
  if (change !== null) {
    const shown = change.measure === "success" ? share : (value) => value.toPrecision(3);
    rows.push([change.measure === "success" ? "Success" : "Return",
      `${minus(shown(change.before))} → ${minus(shown(change.after))}`,
      `in the agent's first ${change.episodes} episodes, and in its last`]);
  }
  if (judged) {
    rows.push(["The learned reward agrees", share(agreed / judged),
      `with ${agreed} of ${counted(judged, "answer")} that it had not learned from`]);
  }
  $("results").replaceChildren(...rows.map(row));
  $("came").textContent = answers === 0 ? "There is nothing to compare here." :
    change === null ? `${counted(answers, "answer")} kept` : "What your answers did";
  $("next").textContent = change === null ? "A new run learns from them:" :
    "To train a new agent by the same answers:";
  $("again").textContent = again;
  for (const id of ["next", "again"]) $(id).hidden = answers === 0;
  if (change !== null) showAgent().catch(() => { $("agent").hidden = true; });
}

function row([name, value, note]) {
  const parts = ["div", "dt", "dd", "small"].map((tag) => document.createElement(tag));
  const [line, term, figure, small] = parts;
  term.textContent = name;
  figure.textContent = value;
  small.textContent = note;
  figure.append(small);
  line.append(term, figure);
  return line;
}

async function showAgent() {
  $("doing").textContent = "The agent plays once more…";
  $("agent").hidden = false;
  const { clip } = await call("agent"); // which takes seconds
  if (clip === null) $("agent").hidden = true;
  if (clip === null || !over) return;
  const agent = makeClip(clip);
  await agent.ready();
  $("doing").textContent = "What the agent does now";
  $("agent-words").textContent = agent.words();
  play({ agent });
}

function setShowing(number) {
  showing = number;
  document.body.dataset.showing = number === null ? "" : number;
}

function showProgress({ answered, waiting, repeats, consistent, aside, others, to_come: more }) {
  const done = answered + others;
  const total = done + waiting + (more || 0);
  document.querySelector(".progress").hidden = more === 0 && total + aside === 0;
  const known = more === null ? `${number(done)} answered · ${number(waiting)} to go, or more` :
    `${number(done)} of ${counted(total, "question")}`;
  $("count").textContent = known + (others && answered ? ` · ${answered} by you` : "") +
    (aside ? ` · ${aside} cannot be shown` : "");
  $("bar").style.width = `${(100 * done) / Math.max(1, total)}%`;
  for (const one of document.querySelectorAll(".consistency")) {
    one.textContent =
      repeats ? `You agree with yourself in ${consistent} of ${repeats} repeats` : "";
  }
}

const number = (value) => value.toLocaleString("en");
const counted = (n, thing) => `${number(n)} ${thing}${n === 1 ? "" : "s"}`;
const minus = (text) => text.replace("-", "−");

function told(scores) {
  if (scores === null) return "";
  const digits = Math.max(Math.abs(scores.left), Math.abs(scores.right)) < 1 ? 2 : 1;
  const [left, right] = [scores.left, scores.right].map((sum) => minus(sum.toFixed(digits)));
  const verdict = { true: ": it agrees", false: ": it disagrees" }[scores.agrees] || "";
  return `The learned reward gave ${left} to ${sideName("left")} and ${right} to ` +
    `${sideName("right")}${verdict}.`;
}

function sideName(side) {
  if (!narrow.matches) return side;
  return side === "left" ? "top" : "bottom";
}

function said(choice) {
  const [side, margin] = choice.split("_");
  if (side === "equal") return "equally good";
  if (side === "skip") return "cannot tell";
  return `${sideName(side)} is ${{ little: "a little ", much: "much " }[margin] || ""}better`;
}

// Clips that stand one above the other are no left and right.
function nameSides() {
  for (const side of ["left", "right"]) {
    const name = sideName(side)[0].toUpperCase() + sideName(side).slice(1);
    for (const one of document.querySelectorAll(`.clip.${side} .side`)) one.textContent = name;
    $(`${side}-clip`).setAttribute("aria-label", `${name} clip`);
  }
}

function mark(choice) {
  for (const side of ["left", "right"]) {
    const chosen = choice !== null && choice.startsWith(side);
    document.querySelector(`.clip.${side}`).classList.toggle("chosen", chosen);
  }
}

function say(text, bad = false) {
  away = false;
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

// --- playing ----------------------------------------------------------------------

const longer = () => Math.max(0, ...Object.values(clips).map((clip) => clip.steps));

function play(loaded) {
  clips = loaded;
  const steps = longer();
  $("step").max = steps;
  player.paused = still;
  go(still ? steps : 0);
  showPause();
}

function go(step) {
  player.step = step;
  player.since = performance.now();
  draw();
}

function draw() {
  for (const [name, clip] of Object.entries(clips)) {
    clip.draw($(`${name}-clip`), player.step);
    if ($(`${name}-end`)) $(`${name}-end`).hidden = player.step < clip.steps;
  }
  $("step").value = player.step;
  $("counter").textContent = `step ${player.step} of ${longer()}`;
}

function tick(now) {
  if (longer() && !player.paused) {
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

const CHOICES = ["left", "left_little", "left_much", "right", "right_little", "right_much",
  "equal", "skip"];

const ACTIONS = {
  ...Object.fromEntries(CHOICES.map((choice) => [choice, () => answer(choice)])),
  undo,
  pause,
  slower: () => faster(-1),
  faster: () => faster(1),
  help,
};

const KEYS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ",": "left_little",
  ".": "right_little",
  "<": "left_much",
  ">": "right_much",
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

const SHIFTED = { ArrowLeft: "left_much", ArrowRight: "right_much" };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const action = (event.shiftKey && SHIFTED[event.key]) ||
    KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const onSlider = event.target === $("step") && event.key.startsWith("Arrow");
  if (!action || onSlider) return;
  if ($("keys").open && action !== "help") return;
  event.preventDefault(); // no scrolling, and no click on the button last used
  if (event.type === "keydown" && !event.repeat) ACTIONS[action]();
}

for (const name of Object.keys(ACTIONS)) $(name).addEventListener("click", ACTIONS[name]);
addEventListener("keydown", onKey);
addEventListener("keyup", onKey); // a space released clicks a button in some browsers
narrow.addEventListener("change", nameSides);
dark.addEventListener("change", draw);
const resized = new ResizeObserver(() => draw()); // the window, or what stands above
for (const one of document.querySelectorAll(".stage")) resized.observe(one);
$("step").addEventListener("pointerup", () => $("step").blur()); // arrows answer again
$("step").addEventListener("input", (event) => {
  player.paused = true;
  showPause();
  go(Number(event.target.value));
});

nameSides();
faster(0);
requestAnimationFrame(tick);
next();
