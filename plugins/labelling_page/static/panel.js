// What stands beside the image: the decision, its boxes, the classes, and all images of the round.

import { byId, element } from "./dom.js";

let pointed = false; // the last thing done was by mouse or touch
addEventListener("pointerdown", () => (pointed = true), true);
addEventListener("keydown", () => (pointed = false), true);

const COLOURS = 10;
const WORDS = { labelled: "labelled", skipped: "skipped", undecided: "undecided" };

export const decisionOf = (image) => image.answer?.decision ?? "undecided";

/** The CSS class that has a class's colour. */
export const colourOf = (label, classes) => `c${Math.max(classes.indexOf(label), 0) % COLOURS}`;

const swatch = (label, classes) => element("span", { className: `swatch ${colourOf(label, classes)}` });

/** @param actions {select(index), relabel(index, label), remove(index), pickClass(label), goTo(index)} */
export function showPanel({ round, index, sheet, label }, actions) {
  const image = round.images[index];
  const decision = decisionOf(image);
  const focused = document.activeElement?.getAttribute("aria-label");
  byId("file").textContent = image.file;
  byId("decision").textContent = WORDS[decision] + (sheet.changed && decision !== "undecided" ? ", changed since" : "");
  byId("decision").className = `badge ${decision}`;
  byId("why").textContent = `image ${index + 1} of ${round.images.length}, uncertainty ${image.uncertainty.toFixed(2)}`;
  byId("undo").disabled = !sheet.changed;
  byId("new").disabled = !label;
  byId("no-boxes").hidden = sheet.boxes.length > 0;
  byId("box-list").replaceChildren(...sheet.boxes.map((box, at) => boxItem(box, at, sheet, round.classes, actions)));
  byId("classes").replaceChildren(...round.classes.map((name, at) => classButton(name, at, label, round.classes, actions)));
  byId("strip").replaceChildren(...round.images.map((each, at) => imageButton(each, at, index, actions)));
  keepFocus(focused);
}

/** Everything was made anew: by keyboard one stays where one was; after a click Enter shall accept, not click again. */
function keepFocus(focused) {
  if (pointed) return byId("frame").focus({ preventScroll: true });
  const again = [...document.querySelectorAll("aside [aria-label]")].find((each) => each.getAttribute("aria-label") === focused);
  if (focused) again?.focus();
}

function boxItem(box, at, sheet, classes, actions) {
  const origin = originOf(box, sheet);
  const pick = element("button", { type: "button", className: "pick" }, swatch(box.label, classes), `${at + 1}`);
  pick.setAttribute("aria-label", `Select box ${at + 1}: ${box.label}, ${origin}`);
  pick.setAttribute("aria-pressed", String(sheet.selected === at));
  pick.addEventListener("click", () => actions.select(at));
  const names = classes.includes(box.label) ? classes : [...classes, box.label];
  const choice = element("select", {}, ...names.map((name) => element("option", { value: name, selected: name === box.label }, name)));
  choice.setAttribute("aria-label", `Class of box ${at + 1}`);
  choice.addEventListener("change", () => actions.relabel(at, choice.value));
  const remove = element("button", { type: "button", className: "delete", title: "Delete" }, "×");
  remove.setAttribute("aria-label", `Delete box ${at + 1}`);
  remove.addEventListener("click", () => actions.remove(at));
  const word = element("span", { className: "origin quiet" }, origin);
  return element("li", { className: sheet.selected === at ? "selected" : "" }, pick, choice, word, remove);
}

function originOf(box, sheet) {
  if (box.suggestion === null) return "drawn";
  const score = Math.round(100 * sheet.image.suggestions[box.suggestion].score);
  return sheet.asSuggested(box) ? `${score} %` : "corrected";
}

function classButton(name, at, current, classes, actions) {
  const key = at < 9 ? [element("kbd", {}, String(at + 1))] : [];
  const button = element("button", { type: "button" }, swatch(name, classes), name, ...key);
  button.setAttribute("aria-label", `Class ${name}`);
  button.setAttribute("aria-pressed", String(name === current));
  button.addEventListener("click", () => actions.pickClass(name));
  return button;
}

function imageButton(image, at, current, actions) {
  const decision = decisionOf(image);
  const button = element("button", { type: "button", className: decision }, String(at + 1));
  button.setAttribute("aria-label", `Image ${at + 1}, ${WORDS[decision]}`);
  button.setAttribute("aria-current", String(at === current));
  button.addEventListener("click", () => actions.goTo(at));
  return button;
}
