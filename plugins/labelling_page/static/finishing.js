// The end of a round: answers the question that its run has put in Airflow.

import { byId } from "./dom.js";
import { decisionOf } from "./panel.js";
import { answerQuestion, questions } from "./server.js";

// As labelling_jobs/operators.py has them.
const GO_ON = "Take what is decided, and go on";
const STOP = "Take what is decided, and stop";

const count = (round, decision) => round.images.filter((image) => decisionOf(image) === decision).length;
const plural = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;

/** Ask whether to finish; calls done(text) once the run has its answer. */
export function askToFinish(round, done) {
  const open = count(round, "undecided");
  byId("finish-counts").textContent = `${plural(count(round, "labelled"), "image")} labelled, ${count(round, "skipped")} skipped.`;
  byId("finish-open").textContent = open ? `${plural(open, "image")} undecided: left for a later round.` : "";
  byId("finish-error").textContent = "";
  const dialog = byId("finish");
  byId("finish-on").onclick = () => finish(round, GO_ON, dialog, done);
  byId("finish-stop").onclick = () => finish(round, STOP, dialog, done);
  byId("finish-not").onclick = () => dialog.close();
  dialog.showModal();
}

async function finish(round, option, dialog, done) {
  const buttons = dialog.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  try {
    const waiting = await questions(round.title);
    if (!waiting.length) {
      const where = `${round.collection}, batch ${round.key.slice(0, round.key.lastIndexOf(":"))}`;
      throw new Error(`No run waits for this round. Trigger assist_labelling for ${where}: it finds the round with all that was said.`);
    }
    for (const question of waiting) await answerQuestion(question, option);
    dialog.close();
    done(option === STOP ? "Finished. What was labelled becomes a batch." : "Finished. If more are wanted, the next round appears here when it is made.");
  } catch (error) {
    byId("finish-error").textContent = error.message;
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}
