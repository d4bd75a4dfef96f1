// What an operator can do from here: each asks first, and is in the server's log with the key's name.

import { call } from "./wire.js";

const RANKS = { read: 0, send: 1, admin: 2 };
const sure = encodeURIComponent;

const ACTIONS = {
  "sender-pause": {
    role: "admin", verb: "Pause", isHard: true,
    text: "Nothing leaves from this number until it is resumed. Its jobs keep their places.",
    ask: "Why, for whoever asks later", isWordNeeded: true,
    run: (id, word) => call("POST", `v1/senders/${sure(id)}/pause`, { reason: word }),
  },
  "sender-resume": {
    role: "admin", verb: "Resume",
    text: "Opens what an operator or an answer of Meta closed. What Meta told of the number stays in force.",
    run: (id) => call("POST", `v1/senders/${sure(id)}/resume`),
  },
  "sender-refresh": {
    role: "admin", verb: "Ask Meta",
    text: "Asks Meta for quality, status, limit and throughput of the number of now, and obeys.",
    run: (id) => call("POST", `v1/senders/${sure(id)}/refresh`),
  },
  "campaign-start": {
    role: "send", verb: "Start", text: "Its recipients are written to from now on.",
    run: (id) => call("POST", `v1/campaigns/${sure(id)}/start`),
  },
  "campaign-pause": {
    role: "send", verb: "Pause", text: "In force within a second; its jobs keep their places.",
    run: (id) => call("POST", `v1/campaigns/${sure(id)}/pause`),
  },
  "campaign-resume": {
    role: "send", verb: "Resume", text: "It goes on where it stood.",
    run: (id) => call("POST", `v1/campaigns/${sure(id)}/resume`),
  },
  "campaign-cancel": {
    role: "send", verb: "Cancel", isHard: true, isTyped: true,
    text: "All its jobs that have not left end as cancelled. This cannot be taken back.",
    run: (id) => call("POST", `v1/campaigns/${sure(id)}/cancel`),
  },
  "doubt-accepted": {
    role: "admin", verb: "It was sent",
    text: "Say so only with evidence: a wamid, or the person. The job ends as accepted.",
    ask: "wamid, if it is known",
    run: (id, word) => call("POST", `v1/doubts/${sure(id)}/resolve`, { as: "accepted", wamid: word }),
  },
  "doubt-failed": {
    role: "admin", verb: "It was not sent", isHard: true,
    text: "Say so only with evidence. The job ends as failed and gives its place in the window back.",
    run: (id) => call("POST", `v1/doubts/${sure(id)}/resolve`, { as: "failed" }),
  },
  "dead-replay": {
    role: "admin", verb: "Replay",
    text: "Queues the same message once more, as a job of its own. Do it when what its code names is mended.",
    run: async (id) => {
      const { refused } = await call("POST", "v1/dead/replay", { ids: [id] });
      if (refused.length) throw new Error(refused[0].detail);
    },
  },
  "dead-drop": {
    role: "admin", verb: "Drop", isHard: true,
    text: "It is looked at and forgotten here. The job stays failed.",
    run: (id, _word, sender) => call("POST", "v1/dead/drop", { sender, ids: [id] }),
  },
};

export const verb = (act) => ACTIONS[act].verb;
export const isHard = (act) => Boolean(ACTIONS[act].isHard);
export const may = (role) => (act) => RANKS[role] >= RANKS[ACTIONS[act].role];

/** Ask, and do it when the answer is yes; tells how it ended, or nothing when it was no. */
export function confirmed(button) {
  const { act, id, called, of } = button.dataset;
  const action = ACTIONS[act];
  const dialog = document.getElementById("confirm");
  const part = (name) => document.getElementById(`confirm-${name}`);
  const ask = action.isTyped ? `Type “${id}” to confirm` : action.ask;
  part("title").textContent = `${action.verb}: ${called}`;
  part("text").textContent = action.text;
  part("label").textContent = ask ?? "";
  part("label").hidden = part("word").hidden = !ask;
  part("word").value = part("wrong").textContent = "";
  part("yes").textContent = action.verb;
  part("yes").className = action.isHard ? "main bad" : "main";
  return new Promise((resolve) => {
    const yes = async () => {
      const word = part("word").value.trim();
      if (action.isTyped && word !== id) return void (part("wrong").textContent = `That is not ${id}.`);
      if (action.isWordNeeded && !word) return void (part("wrong").textContent = "A word, please.");
      part("yes").disabled = true;
      try {
        await action.run(id, word, of);
        done = `${action.verb}: ${called}. Done.`;
        dialog.close();
      } catch (error) {
        part("wrong").textContent = error.message;
      } finally {
        part("yes").disabled = false;
      }
    };
    const enter = (event) => {
      if (event.key !== "Enter" || event.target !== part("word")) return;
      event.preventDefault();
      yes();
    };
    let done = "";
    part("yes").onclick = yes;
    dialog.onkeydown = enter;
    dialog.onclose = () => resolve(done);
    dialog.showModal();
    (ask ? part("word") : part("yes")).focus();
  });
}
