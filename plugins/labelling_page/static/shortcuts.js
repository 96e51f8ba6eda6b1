// Every shortcut, once: what the keyboard does and what the page's help says.

import { byId, element } from "./dom.js";

export const SHORTCUTS = [
  { keys: ["Enter"], shown: "Enter", action: "accept", does: "Accept all boxes shown, and go to the next image" },
  { keys: ["s"], shown: "S", action: "skip", does: "Skip the image: it is not used, and not asked about again" },
  { keys: ["PageDown", "ArrowRight"], shown: "Page Down", action: "next", does: "Next image (→ too, with no box selected)" },
  { keys: ["PageUp", "ArrowLeft"], shown: "Page Up", action: "previous", does: "Previous image (← too, with no box selected)" },
  { keys: ["n"], shown: "N", action: "newBox", does: "New box in the middle; then arrows and Shift + arrows" },
  { keys: ["j"], shown: "J", action: "nextBox", does: "Select the next box" },
  { keys: ["k"], shown: "K", action: "previousBox", does: "Select the previous box" },
  { keys: ["ArrowUp", "ArrowDown"], shown: "← ↑ → ↓", action: "move", does: "Move the selected box, 1 pixel; faster while held" },
  { keys: ["shift+ArrowUp", "shift+ArrowDown", "shift+ArrowLeft", "shift+ArrowRight"], shown: "Shift ← ↑ → ↓", action: "grow", does: "Move its right and lower edges" },
  { keys: ["Delete", "Backspace", "x"], shown: "Delete or X", action: "remove", does: "Delete the selected box" },
  { keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], shown: "1 … 9", action: "pickClass", does: "Class of the selected box, and of new ones" },
  { keys: ["u", "ctrl+z"], shown: "U or Ctrl Z", action: "undo", does: "Undo" },
  { keys: ["Escape"], shown: "Esc", action: "leave", does: "Break off drawing; select no box" },
  { keys: ["+", "="], shown: "+", action: "zoomIn", does: "Larger" },
  { keys: ["-"], shown: "−", action: "zoomOut", does: "Smaller" },
  { keys: ["0"], shown: "0", action: "zoomFit", does: "Whole image" },
  { keys: ["f"], shown: "F", action: "finish", does: "Finish the round" },
  { keys: ["?"], shown: "?", action: "help", does: "This list" },
];
const BY_MOUSE = [
  ["Drag on the image", "Draw a box"],
  ["Shift drag", "Draw a box on top of another"],
  ["Drag a box, or its handles", "Move it, resize it"],
];
const TYPED_IN = "input, select, textarea";
const PRESSED = "button, a";

const actions = new Map(SHORTCUTS.flatMap(({ keys, action }) => keys.map((key) => [key, action])));

/** "ctrl+z", "shift+ArrowUp", "?": a key with its modifiers; shift is part of a character already. */
function nameOf(event) {
  const single = event.key.length === 1;
  const key = single ? event.key.toLowerCase() : event.key;
  return `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${event.shiftKey && !single ? "shift+" : ""}${key}`;
}

/** Call handlers[action](event) for every shortcut, unless something is being typed, or a dialog is open. */
export function listen(handlers) {
  addEventListener("keydown", (event) => {
    const action = actions.get(nameOf(event));
    const target = event.target instanceof Element ? event.target : document.body;
    if (!action || event.altKey || document.querySelector("dialog[open]") || target.matches(TYPED_IN)) return;
    if (event.key === "Enter" && target.matches(PRESSED)) return; // it presses that button
    if (handlers[action](event) !== false) event.preventDefault();
  });
}

export function fillHelp() {
  const row = (left, right) => element("tr", {}, element("td", {}, left), element("td", {}, right));
  const keys = SHORTCUTS.map(({ shown, does }) => row(element("kbd", {}, shown), does));
  byId("shortcuts").replaceChildren(...keys, ...BY_MOUSE.map(([left, right]) => row(left, right)));
}
