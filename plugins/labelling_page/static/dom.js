// Elements without markup in strings: what comes from outside is only ever text.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An HTML element with properties, and children that are elements or text. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** An SVG element with attributes and children. */
export function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Say what happened, to eyes and to screen readers. */
export function say(text, wrong = false) {
  const message = byId("message");
  message.textContent = text;
  message.classList.toggle("error", wrong);
}

/** "raccoon:2026-11-20:1" as people read it. */
export function spoken(title) {
  const at = title.lastIndexOf(":");
  return `${title.slice(0, at)}, round ${title.slice(at + 1)}`;
}
