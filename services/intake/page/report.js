"use strict";
// A report is written down on this telephone before it is sent, with an id of its own, and is sent under that id until
// it is answered: however often it arrives, it is counted once.
(() => {
  const $ = (id) => document.getElementById(id);
  const words = JSON.parse($("words").textContent);
  const lang = document.documentElement.lang;
  const TIMEOUT_MS = 15000, PHOTO_MS = 120000, LONGEST_WAIT_S = 60, POLL_MS = 60000;
  const SIDE = 1600, MOST_PHOTOS = 6, FEWEST_DIGITS = 5, SECOND_TAP_MS = 700;
  const fields = ["account", "address", "phone", "text"];
  let position = null, timer = 0, poll = 0, sending = false, arrivedAt = 0;

  const memory = {
    get(name) { try { return JSON.parse(localStorage.getItem("gridline." + name)); } catch { return null; } },
    set(name, value) {
      try {
        if (value === null) localStorage.removeItem("gridline." + name);
        else localStorage.setItem("gridline." + name, JSON.stringify(value));
      } catch { /* private browsing: it works until the page is closed */ }
    },
  };
  let pending = memory.get("pending"), ticket = memory.get("ticket");

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return "form-" + Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
  }

  function show(name, focus) {
    for (const each of ["form", "sending", "done"]) $(each).hidden = each !== name;
    if (focus) $(focus).focus();
  }

  function fill(text, values) {
    return text.replace(/\{([a-z_]+)\}/g, (_, name) => values[name]);
  }

  // ---- the form

  function draft() {
    const kept = { extent: document.querySelector("[name=extent]:checked").value, hazard: $("hazard").checked, position };
    for (const name of fields) kept[name] = $(name).value;
    return kept;
  }

  function restore(kept) {
    if (!kept) return;
    for (const name of fields) $(name).value = kept[name] || "";
    $("hazard").checked = Boolean(kept.hazard);
    const choice = document.querySelector(`[name=extent][value="${kept.extent}"]`);
    if (choice) choice.checked = true;
    position = kept.position || null;
    showPosition();
  }

  function showPosition() {
    $("located").textContent = position ? fill(words.located, { metres: Math.max(1, Math.round(position.accuracy_m)) }) : "";
    $("locate").textContent = position ? words.locate_again : words.locate;
  }

  function locate() {
    if (!navigator.geolocation) { $("located").textContent = words.locate_failed; return; }
    $("locate").disabled = true;
    $("located").textContent = words.locating;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        position = { lat: coords.latitude, lon: coords.longitude, accuracy_m: coords.accuracy, crs: "wgs84" };
        $("locate").disabled = false;
        showPosition();
        memory.set("draft", draft());
      },
      () => { $("locate").disabled = false; $("located").textContent = words.locate_failed; },
      { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 });
  }

  function reportFrom(kept) {
    const text = kept.text.trim();
    const report = { business_type: "fault_report", language: lang, reported_at: new Date().toISOString() };
    if (text) report.text = text;
    if (kept.account.trim()) report.account_id = kept.account.replace(/\s/g, "");
    if (kept.address.trim()) report.address = kept.address.trim();
    if (kept.phone.trim()) report.phone = kept.phone.trim();
    if (kept.position) report.position = kept.position;
    if (kept.hazard) report.hazard = true;
    if (kept.extent === "home") report.single_premise = true;
    return report;
  }

  function fault(text, ...named) {
    for (const name of fields) $(name).setAttribute("aria-invalid", String(named.includes(name)));
    $("faults").textContent = text;
    $("faults").hidden = !text;
    if (text) $("faults").focus();
  }

  function submit(event) {
    event.preventDefault();
    const kept = draft();
    if (!kept.position && !kept.account.trim() && !kept.address.trim()) {
      fault(words.fault_where, "account", "address");
      return;
    }
    const digits = kept.phone.match(/\p{Nd}/gu) || [];
    if (kept.phone.trim() && digits.length < FEWEST_DIGITS) { // nobody could be told of anything by it
      fault(fill(words.fault_field, { fields: label("phone") }), "phone");
      return;
    }
    fault("");
    pending = { key: newId(), report: reportFrom(kept), tries: 0 };
    memory.set("pending", pending);
    memory.set("draft", kept);
    send();
  }

  // ---- sending, until it is answered

  // The whole answer in time, or an error: a connection may also break between the head of an answer and its body.
  async function ask(path, options, patience_ms = TIMEOUT_MS) {
    const stop = new AbortController();
    const patience = setTimeout(() => stop.abort(), patience_ms);
    try {
      const answer = await fetch(path, { ...options, signal: stop.signal, credentials: "omit", cache: "no-store" });
      const text = await answer.text();
      let said = {};
      try { said = JSON.parse(text) || {}; } catch { /* not from us: a proxy's page */ }
      return { status: answer.status, retryAfter: Number(answer.headers.get("Retry-After")) || 0, said };
    } finally {
      clearTimeout(patience);
    }
  }

  async function send() {
    if (!pending || sending) return;
    sending = true;
    clearTimeout(timer);
    show("sending", "sending-title");
    $("sending-title").textContent = words.sending;
    $("sending-why").textContent = "";
    $("retry").hidden = $("change").hidden = true;
    let answer = null;
    try {
      answer = await ask("/v1/form/reports", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": pending.key },
        body: JSON.stringify(pending.report),
      });
    } catch { /* no network, or no answer in time */ }
    sending = false;
    if (answer && answer.status === 202 && answer.said.ticket_ref) {
      ticket = { ref: answer.said.ticket_ref, contact: answer.said.contact_id, key: pending.key };
      memory.set("ticket", ticket);
      memory.set("pending", null);
      memory.set("draft", null);
      pending = null;
      showTicket(true);
    } else if (answer && answer.status >= 400 && answer.status < 500 && ![408, 409, 429].includes(answer.status)) refused(answer);
    else wait(answer);
  }

  function nameOf(field) {
    return field.split(".")[0].replace("account_id", "account");
  }

  function label(field) {
    const name = nameOf(field);
    const found = name === "position" ? $("locate") : document.querySelector(`label[for="${CSS.escape(name)}"]`);
    return found ? found.textContent : field;
  }

  function refused(answer) {
    const named = (answer.said.errors || []).map((one) => one.field);
    pending = null;
    memory.set("pending", null);
    show("form");
    const list = named.map(label).join(", ");
    fault(list ? fill(words.fault_field, { fields: list }) : words.fault_refused, ...named.map(nameOf));
  }

  function wait(answer) {
    pending.tries += 1;
    memory.set("pending", pending);
    const seconds = Math.min(LONGEST_WAIT_S, Math.max(answer ? answer.retryAfter : 0, 2 ** Math.min(pending.tries, 6)));
    $("sending-title").textContent = words.waiting;
    $("retry").hidden = $("change").hidden = false;
    $("sending-why").textContent = fill(answer ? words.busy : words.offline, { seconds });
    timer = setTimeout(send, seconds * 1000);
  }

  function change() {
    clearTimeout(timer);
    pending = null;
    memory.set("pending", null);
    restore(memory.get("draft"));
    show("form", "account");
  }

  // ---- the ticket

  function showTicket(arrived) {
    $("ticket").textContent = ticket.ref;
    $("add-photos").hidden = document.body.dataset.photos !== "true";
    put($("status"), []);
    if (arrived) arrivedAt = Date.now();
    show("done", arrived ? "done-title" : null);
    refresh();
  }

  function paragraph(text) {
    const made = document.createElement("p");
    made.textContent = text;
    made.dir = "auto"; // what notify says may be in another language than the page
    return made;
  }

  function put(where, paragraphs) { // not replaceChildren: telephones of before 2020 do not have it
    where.textContent = "";
    for (const one of paragraphs) where.appendChild(one);
  }

  async function showStatus(ref, where, missing) {
    try {
      const answer = await ask(`/v1/form/status?ticket_ref=${encodeURIComponent(ref)}&language=${encodeURIComponent(lang)}`, {});
      if (answer.status === 200) {
        put(where, answer.said.reports.map((one) => paragraph(one.text)));
      } else if (answer.status === 422) put(where, [paragraph(words.fault_ref)]);
      else if (answer.status === 404) put(where, [paragraph(missing)]);
      else throw new Error("not now");
    } catch {
      if (!where.childElementCount) put(where, [paragraph(words.status_later)]);
    }
  }

  function refresh() {
    clearTimeout(poll);
    if (!ticket || document.hidden) return;
    showStatus(ticket.ref, $("status"), words.status_received);
    poll = setTimeout(refresh, POLL_MS);
  }

  function again() {
    if (Date.now() - arrivedAt < SECOND_TAP_MS) return; // a double tap on "send", whose place this button may have taken
    clearTimeout(poll);
    $("ask-ref").value = ticket.ref; // who has not written it down can still ask
    ticket = null;
    memory.set("ticket", null);
    $("form").reset();
    position = null;
    showPosition();
    show("form", "account");
  }

  // ---- photos: after the report, so that a failed upload never loses it

  async function smaller(file) {
    try {
      const picture = await createImageBitmap(file);
      const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(picture.width * scale);
      canvas.height = Math.round(picture.height * scale);
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      return await new Promise((made) => canvas.toBlob((blob) => made(blob || file), "image/jpeg", 0.8));
    } catch { return file; }
  }

  async function sendPhotos() {
    const all = $("photos").files.length, chosen = Array.from($("photos").files).slice(0, MOST_PHOTOS);
    let sent = 0;
    $("photos").disabled = true;
    for (const file of chosen) {
      $("photos-state").textContent = fill(words.photos_sending, { sent, all });
      const body = await smaller(file);
      for (let left = 3; left > 0; left -= 1) {
        try {
          const answer = await ask(`/v1/form/reports/${ticket.contact}/photos`, {
            method: "POST",
            headers: { "Content-Type": body.type || "application/octet-stream", "Idempotency-Key": ticket.key },
            body,
          }, PHOTO_MS);
          if (answer.status === 202) { sent += 1; break; }
          if (answer.status < 500 && answer.status !== 429) break;
        } catch { /* try again */ }
        await new Promise((over) => setTimeout(over, 2000));
      }
    }
    $("photos").disabled = false;
    $("photos").value = "";
    $("photos-state").textContent = fill(sent === all ? words.photos_sent : words.photos_some, { sent, all });
  }

  // ---- begin

  $("form").addEventListener("submit", submit);
  $("form").addEventListener("input", () => memory.set("draft", draft()));
  $("locate").addEventListener("click", locate);
  $("retry").addEventListener("click", send);
  $("change").addEventListener("click", change);
  $("refresh").addEventListener("click", refresh);
  $("again").addEventListener("click", again);
  $("photos").addEventListener("change", sendPhotos);
  $("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    showStatus($("ask-ref").value.trim(), $("ask-answer"), words.status_unknown);
  });
  window.addEventListener("online", send);
  document.addEventListener("visibilitychange", refresh);
  $("no-script").hidden = true; // shown until here: also where a browser is too old for this script
  $("ask").hidden = false;
  restore(memory.get("draft"));
  if (pending) send();
  else if (ticket) showTicket(false);
  else show("form");
})();
