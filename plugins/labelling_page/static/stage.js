// The image with its boxes: shows them, and turns what a pointer does into changes of the sheet.

import { bigEnough, moved, resized, spanned } from "./boxes.js";
import { byId, shape } from "./dom.js";

const HANDLES = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };
const HANDLE_PIXELS = matchMedia("(pointer: coarse)").matches ? 20 : 10; // on the screen
const LABEL_PIXELS = 17;
const CLICK_PIXELS = 4; // what moves less is a click
const LARGEST_ENLARGEMENT = 4;
const PADDING = 24;

export class Stage {
  /** @param actions {draw(box), selected(), changed(), colourOf(label)} */
  constructor(actions) {
    this.actions = actions;
    this.frame = byId("frame");
    this.picture = byId("picture");
    this.svg = byId("boxes");
    this.zoom = 1;
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    new ResizeObserver(() => this.fit()).observe(this.frame);
  }

  show(sheet, source) {
    this.breakOff();
    this.sheet = sheet;
    this.zoom = 1;
    const image = byId("image");
    image.src = source;
    image.alt = sheet.image.file;
    this.fit();
  }

  /** As large as the frame lets it be, times the zoom. */
  fit() {
    if (!this.sheet) return;
    const { width, height } = this.sheet.image;
    const room = [this.frame.clientWidth - PADDING, this.frame.clientHeight - PADDING];
    const scale = Math.min(room[0] / width, room[1] / height, LARGEST_ENLARGEMENT) * this.zoom;
    this.scale = Math.max(scale, 0.01);
    this.picture.style.width = `${width * this.scale}px`;
    this.picture.style.height = `${height * this.scale}px`;
    this.draw();
  }

  zoomTo(zoom) {
    this.zoom = Math.min(Math.max(zoom, 1), 16);
    this.fit();
    this.svg.querySelector(".selected")?.scrollIntoView({ block: "center", inline: "center" });
  }

  /** Large boxes first, so that a small one inside stays within reach. */
  draw() {
    const order = this.sheet.boxes.map((box, index) => ({ box, index }));
    const area = ({ box }) => (box.xmax - box.xmin) * (box.ymax - box.ymin);
    order.sort((a, b) => area(b) - area(a));
    this.svg.replaceChildren(...order.map((each) => this.drawn(each.box, each.index)));
    const selected = this.sheet.boxes[this.sheet.selected];
    if (selected) this.svg.append(...this.handles(selected));
  }

  /** Where a box is on the screen, in the pixels of the SVG; its text and handles are of the same size in any zoom. */
  place(box) {
    const [x, y, width, height] = [box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin];
    return { x: x * this.scale, y: y * this.scale, width: width * this.scale, height: height * this.scale };
  }

  drawn(box, index) {
    const place = this.place(box);
    const above = place.y > LABEL_PIXELS;
    const name = shape("text", { x: place.x + 3, y: above ? place.y - 5 : place.y + LABEL_PIXELS }, box.label);
    const kind = this.sheet.asSuggested(box) ? " suggested" : "";
    const chosen = this.sheet.selected === index ? " selected" : "";
    const parts = [shape("rect", { class: "halo", ...place }), shape("rect", { class: "edge", ...place }), name];
    return shape("g", { class: `box ${this.actions.colourOf(box.label)}${kind}${chosen}`, "data-box": index }, ...parts);
  }

  handles(box) {
    const { x, y, width, height } = this.place(box);
    const side = HANDLE_PIXELS;
    return Object.entries(HANDLES).map(([edges, [right, down]]) => {
      const corner = { x: x + right * width - side / 2, y: y + down * height - side / 2 };
      return shape("rect", { class: `handle ${edges}`, "data-edges": edges, ...corner, width: side, height: side });
    });
  }

  at(event) {
    const place = this.svg.getBoundingClientRect();
    const { width, height } = this.sheet.image;
    return {
      x: ((event.clientX - place.left) / place.width) * width,
      y: ((event.clientY - place.top) / place.height) * height,
    };
  }

  press(event) {
    if (event.button !== 0 || this.drag) return;
    event.preventDefault();
    this.frame.focus({ preventScroll: true });
    const edges = event.target.dataset.edges;
    const index = event.target.closest("[data-box]")?.dataset.box;
    if (edges) this.follow(event, this.reshaping(this.sheet.selected, (box, dx, dy) => resized(box, edges, dx, dy, this.sheet.image)));
    else if (index !== undefined && !event.shiftKey) {
      this.sheet.selected = Number(index);
      this.actions.selected();
      this.follow(event, this.reshaping(Number(index), (box, dx, dy) => moved(box, dx, dy, this.sheet.image)));
    } else this.follow(event, this.drawing());
  }

  /** Hand a pointer's way to a gesture {move(start, now), end(start, now), cancel()} until it is lifted. */
  follow(event, gesture) {
    const start = this.at(event);
    const from = [event.clientX, event.clientY];
    const far = (now) => Math.hypot(now.clientX - from[0], now.clientY - from[1]) >= CLICK_PIXELS;
    let moving = false;
    const listeners = new AbortController();
    const on = (name, heard) => this.svg.addEventListener(name, heard, { signal: listeners.signal });
    const leave = () => {
      listeners.abort();
      this.drag = null;
    };
    this.svg.setPointerCapture(event.pointerId);
    this.drag = () => {
      leave();
      gesture.cancel();
    };
    on("pointermove", (now) => {
      moving = moving || far(now);
      if (moving) gesture.move(start, this.at(now));
    });
    on("pointerup", (now) => {
      leave();
      gesture.end(start, this.at(now), moving);
    });
    on("pointercancel", this.drag);
  }

  drawing() {
    const outline = shape("rect", { class: "drawing" });
    return {
      move: (start, now) => {
        const place = this.place(spanned(start, now, this.sheet.image));
        for (const [key, value] of Object.entries(place)) outline.setAttribute(key, value);
        this.svg.append(outline);
      },
      end: (start, now, moving) => {
        outline.remove();
        const box = spanned(start, now, this.sheet.image);
        if (moving && bigEnough(box)) this.actions.draw(box);
        else {
          this.sheet.selected = null;
          this.actions.selected();
        }
      },
      cancel: () => outline.remove(),
    };
  }

  reshaping(index, made) {
    const before = this.sheet.boxes[index];
    let begun = false;
    return {
      move: (start, now) => {
        this.sheet.change(index, made(before, now.x - start.x, now.y - start.y), begun);
        begun = true;
        this.draw();
      },
      end: () => begun && this.actions.changed(),
      cancel: () => {
        if (begun) this.sheet.undo();
        this.sheet.selected = index;
        this.actions.changed();
      },
    };
  }

  /** Break off what a pointer is doing; false if it does nothing. */
  breakOff() {
    if (!this.drag) return false;
    this.drag();
    return true;
  }
}
