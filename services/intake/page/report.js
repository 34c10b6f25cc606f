"use strict";
// A report is written down on this telephone before it is sent, with an id of its own, and is sent under that id until
// it is answered: however often it arrives, it is counted once.
(() => {
  const $ = (id) => document.getElementById(id);
  const words = JSON.parse($("words").textContent);
  const lang = document.documentElement.lang;
  const TIMEOUT_MS = 15000, PHOTO_MS = 120000, LONGEST_WAIT_S = 60, POLL_MS = 60000;
  const SIDE = 1600, MOST_PHOTOS = 6, FEWEST_DIGITS = 5, SECOND_TAP_MS = 700, FRESH_MS = 12 * 3600e3, MOST_REFS = 5;
  const fields = ["account", "address", "phone", "text"];
  let position = null, timer = 0, poll = 0, sending = false, locating = false, arrivedAt = 0, known = [];

  const memory = {
    get(name) { try { return JSON.parse(localStorage.getItem("gridline." + name)); } catch { return null; } },
    set(name, value) {
      try {
        if (value === null) localStorage.removeItem("gridline." + name);
        else localStorage.setItem("gridline." + name, JSON.stringify(value));
      } catch { /* private browsing: it works until the page is closed */ }
    },
  };
  let pending = null, ticket = null;

  // Who comes back later has another outage to report, not to be told that this one is known. The clock may have been
  // wrong, and set back.
  function fresh(at) { return Math.abs(Date.now() - at) < FRESH_MS; }

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return "form-" + Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
  }

  function show(name, focus) {
    const sections = ["form", "sending", "done"].map($), at = document.activeElement;
    const elsewhere = at && at !== document.body && !sections.some((one) => one.contains(at)); // asking for a ticket, say
    for (const one of sections) one.hidden = one.id !== name;
    if (focus && !elsewhere) $(focus).focus();
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
    $("unlocate").hidden = !position;
  }

  function locate() {
    if (!navigator.geolocation) { $("located").textContent = words.locate_failed; return; }
    if (locating) return;
    busy(true);
    $("located").textContent = words.locating;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        busy(false);
        if ($("form").hidden) return; // it was sent without
        position = { lat: coords.latitude, lon: coords.longitude, accuracy_m: coords.accuracy, crs: "wgs84" };
        showPosition();
        mark(["account", "address"], false);
        memory.set("draft", draft());
      },
      () => { busy(false); $("located").textContent = words.locate_failed; },
      { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 });
  }

  function unlocate() { // who reports for somebody elsewhere
    position = null;
    showPosition();
    $("locate").focus();
    memory.set("draft", draft());
  }

  function busy(now) { // not disabled: a button that is loses the keyboard's focus
    locating = now;
    $("locate").setAttribute("aria-disabled", String(now));
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

  function mark(names, wrong) {
    for (const name of names) $(name).setAttribute("aria-invalid", String(wrong));
  }

  function edited({ target }) {
    if (["account", "address"].includes(target.id)) mark(["account", "address"], false); // one of them is enough
    else if (fields.includes(target.id)) mark([target.id], false);
    memory.set("draft", draft());
  }

  function onward(event) { // Enter goes on: a telephone's "next" would send a report without its danger and number
    const next = { account: "#address", address: "[name=extent]:checked", phone: "#text" }[event.target.id];
    if (event.key !== "Enter" || event.isComposing || !next) return;
    event.preventDefault();
    document.querySelector(next).focus();
  }

  function fault(text, ...named) {
    for (const name of fields) mark([name], named.includes(name));
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
    const mine = pending;
    sending = true;
    clearTimeout(timer);
    show("sending", $("sending").hidden ? "sending-title" : null);
    $("sending-title").textContent = words.sending;
    if (!mine.tries) { // later they stay: who wants to press one has longer than the two seconds between two tries
      $("sending-why").textContent = "";
      $("retry").hidden = $("change").hidden = true;
    }
    let answer = null;
    try {
      answer = await ask("/v1/form/reports", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": mine.key },
        body: JSON.stringify(mine.report),
      });
    } catch { /* no network, or no answer in time */ }
    sending = false;
    const accepted = answer && answer.status === 202 && answer.said.ticket_ref;
    if (accepted) remember(accepted);
    if (pending !== mine) { // meanwhile taken back to be changed, or another tab has it
      send();
    } else if (accepted) {
      ticket = { ref: accepted, contact: answer.said.contact_id, key: mine.key, at: Date.now() };
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

  // What this page has on this telephone is what all tabs of it have: another may have sent the report or taken it back.
  function begin() {
    clearTimeout(timer);
    pending = memory.get("pending");
    ticket = memory.get("ticket");
    if (pending && !fresh(Date.parse(pending.report.reported_at))) { // it stands in the form, to be sent if it is still so
      pending = null;
      memory.set("pending", null);
    }
    if (ticket && !fresh(ticket.at)) putAway();
    restore(memory.get("draft"));
    if (pending) send();
    else if (ticket) showTicket(!$("sending").hidden);
    else show("form");
  }

  // ---- the ticket

  function showTicket(arrived) {
    $("ticket").textContent = ticket.ref;
    $("add-photos").hidden = document.body.dataset.photos !== "true";
    put($("status"), []);
    known = [];
    $("status-at").textContent = $("photos-state").textContent = "";
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

  async function statusOf(ref, missing) {
    try {
      const answer = await ask(`/v1/form/status?ticket_ref=${encodeURIComponent(ref)}&language=${encodeURIComponent(lang)}`, {});
      if (answer.status === 200) return answer.said.reports.map((one) => one.text);
      if (answer.status === 422) return [words.fault_ref];
      if (answer.status === 404) return [missing];
    } catch { /* no network, or no answer in time */ }
    return null;
  }

  function clock() {
    const form = { hour: "2-digit", minute: "2-digit" };
    try { return new Date().toLocaleTimeString(lang, form); } catch { return new Date().toLocaleTimeString([], form); }
  }

  // What is known stays while nothing newer can be had, and says so. Asked for by itself, each minute, it is read aloud
  // only when it has changed.
  async function refresh(event) {
    clearTimeout(poll);
    if (!ticket || document.hidden) return;
    poll = setTimeout(refresh, POLL_MS);
    const mine = ticket, where = $("status");
    const texts = await statusOf(mine.ref, words.status_received);
    if (ticket !== mine) return;
    if (texts) {
      known = texts;
      $("status-at").textContent = clock();
    }
    const said = texts || [...known, words.status_later];
    if (event || said.join() !== Array.from(where.children, (one) => one.textContent).join()) put(where, said.map(paragraph));
  }

  function listRefs() {
    const refs = memory.get("refs") || [];
    put($("refs"), refs.map((ref) => Object.assign(document.createElement("option"), { value: ref })));
    return refs;
  }

  function remember(ref) {
    memory.set("refs", [ref, ...(memory.get("refs") || []).filter((one) => one !== ref)].slice(0, MOST_REFS));
    listRefs();
  }

  function putAway() {
    $("ask-ref").value = ticket.ref; // who has not written it down can still ask
    ticket = null;
    memory.set("ticket", null);
  }

  function again() {
    if (Date.now() - arrivedAt < SECOND_TAP_MS) return; // a double tap on "send", whose place this button may have taken
    clearTimeout(poll);
    putAway();
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
    const mine = ticket, focused = document.activeElement === $("photos");
    const tell = (text, sent) => { if (ticket === mine) $("photos-state").textContent = fill(text, { sent, all }); };
    let sent = 0;
    $("photos").disabled = true;
    for (const file of chosen) {
      tell(words.photos_sending, sent);
      const body = await smaller(file);
      for (let left = 3; left > 0; left -= 1) {
        try {
          const answer = await ask(`/v1/form/reports/${mine.contact}/photos`, {
            method: "POST",
            headers: { "Content-Type": body.type || "application/octet-stream", "Idempotency-Key": mine.key },
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
    if (focused && document.activeElement === document.body) $("photos").focus();
    tell(sent === all ? words.photos_sent : words.photos_some, sent);
  }

  // ---- begin

  $("form").addEventListener("submit", submit);
  $("form").addEventListener("input", edited);
  $("form").addEventListener("keydown", onward);
  $("locate").addEventListener("click", locate);
  $("unlocate").addEventListener("click", unlocate);
  $("retry").addEventListener("click", send);
  $("change").addEventListener("click", change);
  $("refresh").addEventListener("click", refresh);
  $("again").addEventListener("click", again);
  $("photos").addEventListener("change", sendPhotos);
  $("ask-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const ref = $("ask-ref").value.trim(), said = await statusOf(ref, words.status_unknown);
    if (ref === $("ask-ref").value.trim()) put($("ask-answer"), (said || [words.status_later]).map(paragraph));
  });
  window.addEventListener("online", send);
  window.addEventListener("storage", ({ key }) => {
    const kept = memory.get("pending");
    if (key === "gridline.pending" && pending && (!kept || kept.key !== pending.key)) begin();
  });
  window.addEventListener("pageshow", ({ persisted }) => { // "back" to a page as it was left: what it shows is over
    if (persisted && memory.get("works")) begin();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && ticket && !fresh(ticket.at) && memory.get("works")) begin();
    else refresh();
    if (!document.hidden) send();
  });
  $("no-script").hidden = true; // shown until here: also where a browser is too old for this script
  $("ask").hidden = false;
  memory.set("works", true);
  $("ask-ref").value = listRefs()[0] || "";
  begin();
})();
