"use strict";
// A small client of Shiny Server's socket: SockJS at the bottom, numbered
// messages that survive a lost connection above it, one channel on top.
{
  const byId = (id) => document.getElementById(id);
  const base = location.pathname.replace(/\/[^/]*$/, "/") + "__sockjs__/";
  const letters = (n) => Array.from(crypto.getRandomValues(new Uint8Array(n)), (b) => "abcdefghijklmnopqrstuvwxyz012345"[b & 31]).join("");
  const hex = (n) => n.toString(16).toUpperCase();
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  // --- SockJS: each transport calls got(frame) and finally gone().
  const sender = (url, fail) => {
    let queue = [], busy = false;
    return async (text) => {
      queue.push(text);
      if (busy) return;
      busy = true;
      while (queue.length) {
        const body = JSON.stringify(queue);
        queue = [];
        const answer = await fetch(url + "/xhr_send", { method: "POST", body }).catch(() => null);
        if (!answer?.ok) { fail(); break; } // what was lost is sent again on resuming
      }
      busy = false;
    };
  };

  const transports = {
    websocket(url, got, gone) {
      const socket = new WebSocket(url.replace(/^http/, "ws") + "/websocket");
      answered();
      socket.onmessage = (e) => { counted(e.data.length); got(e.data); };
      socket.onclose = gone;
      return { send: (text) => socket.send(JSON.stringify([text])), cut: () => socket.close() };
    },
    eventsource(url, got, gone) {
      let source, ended = false;
      const end = () => { ended = true; source.close(); gone(); };
      const open = () => {
        answered();
        source = new EventSource(url + "/eventsource");
        source.onmessage = (e) => { counted(e.data.length + 10); got(e.data); };
        // Full after 128 KiB: the server ends the answer, the next one goes on.
        source.onerror = () => {
          const full = source.readyState === EventSource.CONNECTING && inAnswer > 100_000;
          source.close();
          if (ended) return;
          full ? open() : end();
        };
      };
      open();
      return { send: sender(url, end), cut: end };
    },
    xhr_streaming: (url, got, gone) => poll(url, "/xhr_streaming", got, gone),
    xhr: (url, got, gone) => poll(url, "/xhr", got, gone),
  };
  // One answer after the other, each read line by line as it arrives.
  const poll = (url, path, got, gone) => {
    const stop = new AbortController();
    (async () => {
      try {
        while (!stop.signal.aborted) {
          answered();
          const answer = await fetch(url + path, { method: "POST", signal: stop.signal, cache: "no-store" });
          if (!answer.ok) throw new Error("answer " + answer.status);
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let rest = ""; ;) {
            const { value, done } = await reader.read();
            if (done) break;
            counted(value.length);
            const lines = (rest + value).split("\n");
            rest = lines.pop();
            for (const frame of lines) got(frame);
          }
        }
      } catch { /* told below */ }
      gone();
    })();
    const cut = () => stop.abort();
    return { send: sender(url, cut), cut };
  };

  // --- Robust: number, keep until acknowledged, resume within 15 s.
  const id = letters(18);
  let link, state = "new", sent = [], first = 0, want = 0, awaiting = false, ackTimer, finished = false;

  const say = (payload) => {
    const message = hex(first + sent.length) + "#0|" + payload;
    sent.push(message);
    if (state === "open" && !awaiting) link.send(message);
  };
  const acknowledge = () => {
    ackTimer = 0;
    if (state === "open" && !awaiting) link.send("ACK " + hex(want));
  };
  const read = (text) => {
    const control = /^(ACK|CONTINUE) ([0-9A-F]+)$/.exec(text);
    if (control) {
      const next = parseInt(control[2], 16);
      sent = sent.slice(next - first);
      first = next;
      if (control[1] === "CONTINUE") {
        awaiting = false;
        for (const m of sent) link.send(m);
      }
      return;
    }
    const message = /^([0-9A-F]+)#0\|([mc])\|(.*)$/s.exec(text);
    if (!message) return;
    if (parseInt(message[1], 16) !== want) lost++;
    want = parseInt(message[1], 16) + 1;
    ackTimer ||= setTimeout(acknowledge, 2000);
    message[2] === "m" ? take(JSON.parse(message[3])) : finish(JSON.parse(message[3]).reason);
  };

  const connect = (reopen) => {
    const url = location.origin + base + (reopen ? "o=" : "n=") + id + "/" + "000/" + letters(8);
    const name = document.querySelector("input[name=transport]:checked").value;
    state = "opening";
    const mine = transports[name](url, (frame) => {
      if (link !== mine) return;
      if (frame === "o") {
        state = "open";
        show("connected by " + name, "on");
        if (reopen) { awaiting = true; link.send("CONTINUE " + hex(want)); }
        else for (const m of sent) link.send(m);
      } else if (frame[0] === "a") {
        for (const text of JSON.parse(frame.slice(1))) read(text);
      } else if (frame[0] === "c") {
        const [code, reason] = JSON.parse(frame.slice(1));
        code === 3000 || (code >= 4600 && code < 4700) ? mine.cut() : finish(reason);
      }
    }, () => { if (link === mine && !finished) retry(); });
    link = mine;
  };
  // After 0, 1, 2, 3, 5 s, as long as the server keeps the session.
  let tries = 0, brokenAt = 0;
  const retry = async () => {
    state = "away";
    show("trying to reconnect", "off");
    if (!tries) brokenAt = Date.now();
    if (Date.now() - brokenAt > 15_000) return finish("The connection could not be resumed.");
    await sleep([0, 1000, 2000, 3000][tries++] ?? 5000);
    if (!finished) connect(true);
  };
  const finish = (reason) => {
    if (finished) return;
    finished = true;
    link.cut();
    show("disconnected", "off");
    byId("gone-why").textContent = reason || "The connection to Shiny is gone.";
    if (!leaving) byId("gone").showModal();
  };

  // --- The app.
  let count = 0, lost = 0, lastTick = 0, answers = 0, inAnswer = 0, leaving = false;
  const answered = () => { answers++; inAnswer = 0; };
  const counted = (n) => { inAnswer += n; };
  const show = (text, kind) => { byId("state").textContent = text; byId("state").className = "pill " + kind; };
  const box = byId("plot-box"), rate = byId("rate");

  const take = (m) => {
    tries = 0;
    const v = m.values;
    if (!v) return;
    count++;
    if (v.stream) {
      const img = byId("stream");
      img.src = v.stream.src;
      img.width = v.stream.width;
      img.height = v.stream.height;
      img.alt = v.stream.alt;
      img.hidden = false;
    }
    if (v.tick) {
      if (lastTick && v.tick !== lastTick + 1) lost++;
      lastTick = v.tick;
    }
    if (v.told) byId("told").innerHTML = v.told;
    byId("count").textContent = count;
    byId("lost").textContent = lost;
    byId("answers").textContent = answers;
    byId("bytes").textContent = (inAnswer / 1024).toFixed(0) + " KB";
  };

  const place = () => {
    const look = getComputedStyle(box);
    return {
      ".clientdata_output_stream_width": box.clientWidth,
      ".clientdata_output_stream_height": box.clientWidth < 480 ? 200 : 330,
      ".clientdata_output_stream_bg": look.backgroundColor,
      ".clientdata_output_stream_fg": look.color,
      ".clientdata_output_stream_accent": getComputedStyle(byId("accent")).color,
    };
  };
  const update = (data) => say("m|" + JSON.stringify({ method: "update", data }));
  rate.addEventListener("input", () => { byId("rate-shown").value = rate.value; });
  rate.addEventListener("change", () => update({ "rate:shiny.number": Number(rate.value) }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update(place()));
  byId("drop").addEventListener("click", () => link.cut());
  for (const radio of document.querySelectorAll("input[name=transport]")) {
    radio.addEventListener("change", () => link.cut()); // and come back by the other way
  }
  byId("again").addEventListener("click", () => location.reload());
  addEventListener("pagehide", () => { leaving = true; });

  say("o|");
  say("m|" + JSON.stringify({ method: "init", data: { "rate:shiny.number": Number(rate.value), ...place() } }));
  connect(false);
}
