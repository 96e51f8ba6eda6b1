// The list of rounds that wait for a person.

import { byId, element, say, spoken } from "./dom.js";
import { rounds } from "./server.js";

const AGAIN = 10_000; // milliseconds

/** Show the list, and keep it up to date while it is shown. The round just finished is passed over until it is closed. */
export async function showRounds(finished) {
  const place = byId("rounds");
  place.hidden = false;
  for (;;) {
    try {
      const waiting = document.hidden ? null : await rounds();
      if (waiting) place.replaceChildren(...described(waiting.filter(({ title }) => title !== finished)));
    } catch (error) {
      say(error.message, true);
    }
    await new Promise((later) => setTimeout(later, AGAIN));
  }
}

function described(waiting) {
  const heading = element("h1", {}, "Rounds to review");
  if (waiting.length) return [heading, ...waiting.map(link)];
  const hint = "Nothing waits. Trigger the DAG assist_labelling for a batch with images that have no annotation; its rounds appear here.";
  return [heading, element("p", { className: "quiet" }, hint)];
}

function link(round) {
  const { pool } = round;
  const far = `${round.decided} of ${round.images} images decided`;
  const by = round.labeller === "nobody" ? "no suggestions yet" : `suggestions by ${round.labeller}`;
  const whole = `of ${pool.found} images: ${pool.labelled} labelled, ${pool.skipped} skipped, ${pool.set_aside} set aside, ${pool.left} wait`;
  return element(
    "a",
    { className: "round", href: `?round=${encodeURIComponent(round.title)}` },
    element("b", {}, spoken(round.title)),
    element("progress", { max: round.images, value: round.decided, ariaLabel: far }),
    element("div", {}, `${far}; ${by}`),
    element("div", { className: "quiet" }, whole),
  );
}
