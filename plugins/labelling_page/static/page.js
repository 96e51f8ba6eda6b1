// The labelling page: which round, which image, and what a person does with it.

import { moved, resized, Sheet } from "./boxes.js";
import { byId, say, spoken } from "./dom.js";
import { askToFinish } from "./finishing.js";
import { colourOf, decisionOf, showPanel } from "./panel.js";
import { showRounds } from "./rounds.js";
import { answer, imageOf, round as load } from "./server.js";
import { fillHelp, listen } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { followTheme } from "./theme.js";

const NEW_BOX = 4; // a new box is so many times smaller than its image
const HELD = 0.01; // of the image's longer side, while a key is held
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let round, sheets, index, label, saving = false;
const sheet = () => sheets[index];
const selected = () => sheet().boxes[sheet().selected];

const stage = new Stage({ draw, selected: show, changed: show, colourOf: (name) => colourOf(name, round.classes) });

async function begin() {
  followTheme();
  const title = new URLSearchParams(location.search).get("round");
  if (!title) return showRounds(null);
  const [collection, ...key] = title.split(":");
  try {
    round = await load(collection, key.join(":"));
  } catch (error) {
    return say(error.message, true);
  }
  if (round.closed) return say(`Round ${round.title} is finished. Others that wait are in the list (Labelling, above).`);
  sheets = round.images.map((image) => new Sheet(image));
  label = round.classes[0];
  fillHelp();
  listen(keyboard);
  buttons();
  for (const id of ["review", "help-button", "finish-button"]) byId(id).hidden = false;
  byId("title").textContent = spoken(round.title);
  addEventListener("beforeunload", (event) => sheets.some((each) => each.changed) && event.preventDefault());
  goTo(Math.max(round.images.findIndex((image) => decisionOf(image) === "undecided"), 0));
}

function show() {
  stage.draw();
  showPanel({ round, index, sheet: sheet(), label }, panel);
  const decided = round.images.filter((image) => decisionOf(image) !== "undecided").length;
  byId("progress").textContent = `${decided} of ${round.images.length} decided`;
}

function goTo(wanted) {
  index = Math.min(Math.max(wanted, 0), round.images.length - 1);
  stage.show(sheet(), imageOf(round, index));
  show();
  byId("frame").focus({ preventScroll: true });
}

async function decide(decision) {
  if (saving) return;
  saving = true;
  const [at, image] = [index, round.images[index]];
  const boxes = decision === "labelled" ? sheet().boxes : [];
  try {
    image.answer = await answer(round, at, { revision: (image.answer?.revision ?? 0) + 1, decision, boxes });
    sheets[at].reset();
    const what = decision === "skipped" ? "skipped" : `labelled, ${boxes.length} box${boxes.length === 1 ? "" : "es"}`;
    say(`Image ${at + 1} saved: ${what}.`);
    if (index === at) advance();
  } catch (error) {
    say(error.message, true);
  } finally {
    saving = false;
  }
}

/** To the next image that nobody has decided about; when there is none, offer to finish. */
function advance() {
  const order = round.images.map((_, at) => (index + 1 + at) % round.images.length);
  const next = order.find((at) => decisionOf(round.images[at]) === "undecided");
  if (next !== undefined) return goTo(next);
  show();
  finish();
}

const finish = () =>
  askToFinish(round, (text) => {
    byId("review").hidden = true;
    for (const id of ["help-button", "finish-button"]) byId(id).hidden = true;
    for (const id of ["title", "progress"]) byId(id).textContent = "";
    sheets.forEach((each) => each.reset());
    say(text);
    showRounds(round.title);
  });

function draw(place) {
  if (!label) return say("Name a class first, in the field on the right.", true);
  sheet().add({ label, ...place, suggestion: null });
  show();
}

function newBox() {
  const { width, height } = sheet().image;
  const half = [Math.max(width / NEW_BOX / 2, 2), Math.max(height / NEW_BOX / 2, 2)];
  const [x, y] = [width / 2, height / 2];
  const edge = (value) => Math.round(value);
  draw({ xmin: edge(x - half[0]), ymin: edge(y - half[1]), xmax: edge(x + half[0]), ymax: edge(y + half[1]) });
}

/** By arrows: a pixel, and more while the key is held. */
function nudge(event, made) {
  const box = selected();
  if (!box) return false;
  const { image } = sheet();
  const step = event.repeat ? Math.max(Math.round(HELD * Math.max(image.width, image.height)), 1) : 1;
  const [dx, dy] = STEPS[event.key];
  sheet().change(sheet().selected, made(box, dx * step, dy * step, image), event.repeat);
  show();
}

function step(by) {
  const count = sheet().boxes.length;
  if (!count) return;
  const from = sheet().selected ?? (by > 0 ? -1 : count);
  sheet().selected = (from + by + count) % count;
  show();
}

const move = (event) => nudge(event, moved);
const sideways = (by) => (event) => (selected() && event.key.startsWith("Arrow") ? move(event) : goTo(index + by));

const panel = {
  goTo,
  select: (at) => ((sheet().selected = at), show()),
  remove: (at) => (sheet().remove(at), show()),
  relabel: (at, name) => ((sheet().selected = at), panel.pickClass(name)),
  pickClass: (name) => {
    label = name;
    if (selected() && selected().label !== name) sheet().change(sheet().selected, { ...selected(), label: name });
    show();
  },
};

const keyboard = {
  accept: () => void decide("labelled"),
  skip: () => void decide("skipped"),
  next: sideways(1),
  previous: sideways(-1),
  newBox,
  nextBox: () => step(1),
  previousBox: () => step(-1),
  move,
  grow: (event) => nudge(event, (box, dx, dy, image) => resized(box, "se", dx, dy, image)),
  remove: () => selected() && panel.remove(sheet().selected),
  pickClass: (event) => round.classes[Number(event.key) - 1] && panel.pickClass(round.classes[Number(event.key) - 1]),
  undo: () => sheet().undo() && show(),
  leave: () => stage.breakOff() || ((sheet().selected = null), show()),
  zoomIn: () => stage.zoomTo(stage.zoom * 1.5),
  zoomOut: () => stage.zoomTo(stage.zoom / 1.5),
  zoomFit: () => stage.zoomTo(1),
  finish,
  help: () => byId("help").showModal(),
};

function buttons() {
  const pressed = { accept: "accept", skip: "skip", new: "newBox", undo: "undo", "help-button": "help", "finish-button": "finish" };
  for (const [id, action] of Object.entries(pressed))
    byId(id).addEventListener("click", (event) => keyboard[action](event));
  byId("new-class").hidden = !round.any_class;
  byId("new-class").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = byId("class-name").value.trim();
    if (name && !round.classes.includes(name)) round.classes.push(name);
    if (name) panel.pickClass(name);
    byId("class-name").value = "";
    byId("frame").focus({ preventScroll: true });
  });
}

begin();
