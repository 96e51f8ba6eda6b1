// What the page asks of its own API, and of Airflow's. Addresses are relative, so a path before them changes nothing.

const DAG = "assist_labelling";

/** The server's words for what went wrong. */
export class ServerSaid extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function call(path, method = "GET", body = undefined) {
  const headers = { Accept: "application/json", "X-Lanner-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new ServerSaid(0, "Airflow does not answer. Nothing is lost on this page: try again in a moment.");
  }
  if (answer.ok) return answer.json();
  if (answer.status === 401)
    throw new ServerSaid(401, "You are logged out. Log in to Airflow in another tab, then do the same here again.");
  const said = await answer.json().catch(() => ({}));
  throw new ServerSaid(answer.status, wording(said.detail) || `Airflow answered ${answer.status}.`);
}

function wording(detail) {
  if (Array.isArray(detail)) return detail.map((each) => `${(each.loc || []).join(".")}: ${each.msg}`).join("; ");
  return typeof detail === "string" ? detail : "";
}

const address = (round) => `rounds/${encodeURIComponent(round.collection)}/${encodeURIComponent(round.key)}`;

export const rounds = () => call("rounds");
export const round = (collection, key) => call(address({ collection, key }));
export const imageOf = (round, index) => `${address(round)}/images/${index}`;
export const answer = (round, index, said) => call(`${address(round)}/answers/${index}`, "PUT", said);

/** The questions about a round for which a run waits; they end with its title (labelling_jobs/rounds.py). */
export async function questions(title) {
  const wanted = `response_received=false&limit=100&subject_search=${encodeURIComponent(title)}`;
  const found = await call(`../api/v2/dags/${DAG}/dagRuns/~/hitlDetails?${wanted}`);
  const waits = (each) => ["awaiting_input", "deferred"].includes(each.task_instance.state);
  return found.hitl_details.filter((each) => each.subject.endsWith(`: ${title}`) && waits(each));
}

/** Answer one of them; Airflow checks whether the person may. */
export function answerQuestion(question, option) {
  const at = question.task_instance;
  const place = [at.dag_id, "dagRuns", at.dag_run_id, "taskInstances", at.task_id, at.map_index];
  const path = `../api/v2/dags/${place.map(encodeURIComponent).join("/")}/hitlDetails`;
  return call(path, "PATCH", { chosen_options: [option], params_input: {} });
}
