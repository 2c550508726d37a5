"use strict";
// The smallest client that speaks as Shiny's does: inputs go up, values come
// down, one WebSocket at the page's own path + "websocket/".
{
  const byId = (id) => document.getElementById(id);
  const late = byId("late"), company = byId("company"), plotBox = byId("plot-box");

  const where = location.pathname + (location.pathname.endsWith("/") ? "" : "/") + "websocket/";
  const socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + where);
  const send = (message) => socket.send(JSON.stringify(message));

  // What the plot needs to know about its place on the page.
  const place = () => {
    const look = getComputedStyle(plotBox);
    return {
      ".clientdata_output_plot_width": Math.round(plotBox.clientWidth),
      ".clientdata_output_plot_height": plotBox.clientWidth < 480 ? 260 : 390,
      ".clientdata_output_plot_bg": look.backgroundColor,
      ".clientdata_output_plot_fg": look.color,
      ".clientdata_output_plot_accent": getComputedStyle(byId("accent")).color,
      ".clientdata_pixelratio": devicePixelRatio,
    };
  };
  const inputs = () => ({ "late:shiny.number": Number(late.value), company: company.value });

  // Changes are sent one at a time: what changes meanwhile goes together.
  let open = false, waiting = null, since = 0, patience;
  const update = (data) => {
    waiting = { ...waiting, ...data };
    flush();
  };
  const flush = () => {
    if (!open || !waiting || since) return;
    since = performance.now();
    send({ method: "update", data: waiting });
    waiting = null;
    patience = setTimeout(settled, 500);
  };
  const settled = () => {
    clearTimeout(patience);
    since = 0;
    flush();
  };

  const show = () => {
    byId("late-shown").value = late.value + " min";
    late.setAttribute("aria-valuetext", late.value + " minutes");
    byId("bookmark").href = "?_inputs_&late=" + late.value + "&company=" + encodeURIComponent(JSON.stringify(company.value));
  };
  late.addEventListener("input", () => { show(); update({ "late:shiny.number": Number(late.value) }); });
  company.addEventListener("change", () => { show(); update({ company: company.value }); });
  show();

  const state = (text, kind) => { byId("state").textContent = text; byId("state").className = "pill " + kind; };

  socket.addEventListener("open", () => {
    open = true;
    state("connected", "on");
    send({
      method: "init",
      data: {
        ...inputs(), ...place(),
        ".clientdata_url_protocol": location.protocol, ".clientdata_url_hostname": location.hostname,
        ".clientdata_url_port": location.port, ".clientdata_url_pathname": location.pathname,
        ".clientdata_url_search": location.search, ".clientdata_singletons": "",
      },
    });
    let width = plotBox.clientWidth;
    new ResizeObserver(() => {
      if (plotBox.clientWidth !== width) { width = plotBox.clientWidth; update(place()); }
    }).observe(plotBox);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update(place()));
  });

  const outputs = {
    plot(v) {
      const img = byId("plot");
      img.src = v.src;
      img.width = v.width;
      img.height = v.height;
      img.alt = v.alt;
      img.hidden = false;
      byId("plot-fault").hidden = true;
    },
    summary(v) { byId("summary").textContent = v; },
    table(v) { byId("table").innerHTML = v; },
    whoami(v) { byId("whoami").innerHTML = v; },
    told(v) { byId("told").innerHTML = v; },
    upinfo(v) { byId("upinfo").textContent = v === "none" ? "" : v; },
    down(v) { byId("down").href = v; },
    down_utf8(v) { byId("down_utf8").href = v; },
  };

  const calls = new Map();
  let tag = 0;
  const call = (method, ...args) => new Promise((resolve, reject) => {
    calls.set(tag, { resolve, reject });
    send({ method, args, tag: tag++ });
  });

  socket.addEventListener("message", (event) => {
    const m = JSON.parse(event.data);
    if (m.recalculating) {
      byId(m.recalculating.name)?.classList.toggle("recalculating", m.recalculating.status === "recalculating");
    }
    if (m.response) {
      const { resolve, reject } = calls.get(m.response.tag);
      calls.delete(m.response.tag);
      m.response.error ? reject(new Error(m.response.error)) : resolve(m.response.value);
    }
    if (m.values) {
      for (const [name, value] of Object.entries(m.values)) outputs[name]?.(value);
      for (const [name, fault] of Object.entries(m.errors)) {
        const box = byId(name + "-fault");
        if (box) { box.textContent = fault.message; box.hidden = false; byId(name).hidden = true; }
      }
      if (since) {
        state("connected, " + Math.max(1, Math.round(performance.now() - since)) + " ms", "on");
        settled();
      }
    }
  });

  // Upload as Shiny does it: announce, post the bytes, say it is done.
  const post = (url, file, progress) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (e) => progress(e.loaded);
    request.onload = () => (request.status === 200 ? resolve() : reject(new Error(request.status + " " + request.responseText.slice(0, 200))));
    request.onerror = () => reject(new Error("the connection broke"));
    request.send(file);
  });
  byId("up").addEventListener("change", async (event) => {
    const list = [...event.target.files];
    if (!list.length) return;
    const bar = byId("up-progress"), all = list.reduce((n, f) => n + f.size, 0) || 1;
    bar.hidden = false;
    bar.value = 0;
    byId("upinfo").textContent = "";
    try {
      const job = await call("uploadInit", list.map((f) => ({ name: f.name, size: f.size, type: f.type })));
      let done = 0;
      for (const file of list) {
        await post(job.uploadUrl, file, (n) => { bar.value = (100 * (done + n)) / all; });
        done += file.size;
      }
      await call("uploadEnd", job.jobId, "up");
    } catch (e) {
      byId("upinfo").textContent = "Not sent: " + e.message;
    }
    bar.hidden = true;
  });

  // Plain Shiny does not reconnect. A reason given with 45xx is for the reader.
  let leaving = false;
  addEventListener("pagehide", () => { leaving = true; });
  socket.addEventListener("close", (event) => {
    open = false;
    state("disconnected", "off");
    if (leaving) return;
    const told = event.code >= 4500 && event.code < 4600 && event.reason;
    byId("gone-why").textContent = told || "The connection to Shiny is gone. Your inputs are still on the page; loading it again starts a new session.";
    byId("gone").showModal();
  });
  byId("again").addEventListener("click", () => location.reload());
}
