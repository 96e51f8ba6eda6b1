// Boxes in whole pixels of their image: {label, xmin, ymin, xmax, ymax, suggestion: its number, or null for a drawn one}.

export const SMALLEST = 3; // pixels that a side has at least
const UNDO_STEPS = 100;
const between = (low, value, high) => Math.min(Math.max(value, low), high);

/** The box between two points of an image, whichever way it was dragged. */
export function spanned(start, end, image) {
  const inside = (value, most) => between(0, Math.round(value), most);
  const [x1, x2] = [inside(start.x, image.width), inside(end.x, image.width)].sort((a, b) => a - b);
  const [y1, y2] = [inside(start.y, image.height), inside(end.y, image.height)].sort((a, b) => a - b);
  return { xmin: x1, ymin: y1, xmax: x2, ymax: y2 };
}

export const bigEnough = (box) => box.xmax - box.xmin >= SMALLEST && box.ymax - box.ymin >= SMALLEST;

export function moved(box, dx, dy, image) {
  const x = between(-box.xmin, Math.round(dx), image.width - box.xmax);
  const y = between(-box.ymin, Math.round(dy), image.height - box.ymax);
  return { ...box, xmin: box.xmin + x, ymin: box.ymin + y, xmax: box.xmax + x, ymax: box.ymax + y };
}

/** A box with some of its edges moved: "n", "s", "e", "w", or two of them. None passes the one across. */
export function resized(box, edges, dx, dy, image) {
  const made = { ...box };
  if (edges.includes("w")) made.xmin = between(0, Math.round(box.xmin + dx), box.xmax - SMALLEST);
  if (edges.includes("e")) made.xmax = between(box.xmin + SMALLEST, Math.round(box.xmax + dx), image.width);
  if (edges.includes("n")) made.ymin = between(0, Math.round(box.ymin + dy), box.ymax - SMALLEST);
  if (edges.includes("s")) made.ymax = between(box.ymin + SMALLEST, Math.round(box.ymax + dy), image.height);
  return made;
}

/** What is on the table for one image: its boxes, which of them is selected, and the way back. */
export class Sheet {
  constructor(image) {
    this.image = image;
    this.past = [];
    this.reset();
  }

  /** As last said, or as suggested. */
  reset() {
    const { answer, suggestions } = this.image;
    const origin = ({ score, ...box }, suggestion) => ({ ...box, suggestion });
    const said = answer && answer.decision === "labelled";
    this.boxes = said ? answer.boxes.map((box) => ({ ...box })) : suggestions.map(origin);
    this.selected = null;
    this.past = [];
  }

  get changed() {
    return this.past.length > 0;
  }

  /** Remember what is there now, before it is changed. */
  remember() {
    this.past.push(this.boxes.map((box) => ({ ...box })));
    if (this.past.length > UNDO_STEPS) this.past.shift();
  }

  undo() {
    const before = this.past.pop();
    if (!before) return false;
    this.boxes = before;
    this.selected = null;
    return true;
  }

  add(box) {
    this.remember();
    this.boxes.push(box);
    this.selected = this.boxes.length - 1;
  }

  change(index, box, again = false) {
    if (!again) this.remember();
    this.boxes[index] = box;
  }

  remove(index) {
    this.remember();
    this.boxes.splice(index, 1);
    this.selected = null;
  }

  /** Is a box just as its labeller suggested it? */
  asSuggested(box) {
    const origin = box.suggestion === null ? undefined : this.image.suggestions[box.suggestion];
    return Boolean(origin) && ["label", "xmin", "ymin", "xmax", "ymax"].every((key) => origin[key] === box[key]);
  }
}
