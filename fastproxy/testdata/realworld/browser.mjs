// A hand on a real Chromium: JSON lines in, JSON lines out, many at once.
//
//   node browser.mjs /usr/bin/chromium SCREENSHOTS
//   > {"id":1,"do":"open","page":"kim","visitor":"kim"}
//   < {"id":1,"value":…}            or {"id":1,"error":"…"}
//
// A visitor is a browser profile of its own (cookies); a page is one of their
// tabs. The first line out is {"version":…}. It ends when its standard input
// does, and Chromium with it.
import { createInterface } from 'node:readline';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [executablePath, screenshots] = process.argv.slice(2);
const patience = 20_000; // ms for anything a person would wait for

const browser = await chromium.launch({
  executablePath,
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    '--host-resolver-rules=MAP *.attack.test 127.0.0.1', // siblings under plain http, which *.localhost is not
    ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
});

const visitors = new Map(); // name → context
const tabs = new Map(); // name → { page, seen, sockets }

async function visitor(name, options = {}) {
  if (!visitors.has(name)) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1100, height: 760 }, ...options });
    context.setDefaultTimeout(patience);
    visitors.set(name, context);
  }
  return visitors.get(name);
}

// open gives a visitor a new tab, which remembers every answer and WebSocket.
async function open({ page: name, visitor: who, options }) {
  const page = await (await visitor(who, options)).newPage();
  const tab = { page, seen: [], sockets: [] };
  page.on('response', (r) => tab.seen.push({ status: r.status(), method: r.request().method(), url: r.url() }));
  page.on('requestfailed', (r) => tab.seen.push({ status: 0, method: r.method(), url: r.url() }));
  page.on('websocket', (ws) => {
    const socket = { url: ws.url(), closed: false };
    ws.on('close', () => { socket.closed = true; });
    tab.sockets.push(socket);
  });
  tabs.set(name, tab);
}

async function until(what, found) {
  const end = Date.now() + patience;
  for (let last; ; await new Promise((r) => setTimeout(r, 50))) {
    last = await found();
    if (last !== undefined) return last;
    if (Date.now() > end) throw new Error(`waited ${patience} ms for ${what}`);
  }
}

// flat has a text as a reader sees it: white space as one blank.
const flat = (text) => text.replace(/\s+/g, ' ').trim();

const verbs = {
  goto: async ({ page }, { url }) => (await page.goto(url, { waitUntil: 'load' }))?.status() ?? 0,
  url: async ({ page }) => page.url(),
  reload: async ({ page }) => (await page.reload({ waitUntil: 'load' }))?.status() ?? 0,
  fill: ({ page }, { selector, text }) => page.fill(selector, text),
  click: ({ page }, { selector }) => page.click(selector),
  press: ({ page }, { selector, text }) => page.press(selector, text),
  text: async ({ page }, { selector }) => (await page.locator(selector).first().innerText()),
  value: async ({ page }, { selector }) => page.locator(selector).first().inputValue(),
  attribute: async ({ page }, { selector, text }) => page.locator(selector).first().getAttribute(text),
  count: async ({ page }, { selector }) => page.locator(selector).count(),
  // Until a text holds what is wanted; the text, so that a test can say more about it.
  await: ({ page }, { selector, text }) => until(`${selector} to say ${JSON.stringify(text)} at ${page.url()}`, async () => {
    const found = page.locator(selector).first();
    const now = await found.innerText({ timeout: 1000 }).catch(() => undefined);
    return now !== undefined && flat(now).includes(flat(text)) ? now : undefined;
  }),
  // Until the address holds what is wanted and its page has loaded.
  arrive: async ({ page }, { text }) => {
    await until(`an address with ${text}, now ${page.url()}`, async () => (page.url().includes(text) ? true : undefined));
    await page.waitForLoadState('load');
    return page.url();
  },
  // Until an attribute is another than it was: a plot drawn anew.
  change: ({ page }, { selector, name, text }) => until(`${selector} ${name} to change`, async () => {
    const now = await page.locator(selector).first().getAttribute(name, { timeout: 1000 }).catch(() => null);
    return now !== null && now !== text ? now : undefined;
  }),
  gone: ({ page }, { selector }) => page.locator(selector).first().waitFor({ state: 'detached' }),
  // The mouse takes the slider's handle and lets it go at a share of its line.
  slide: async ({ page }, { selector, share }) => {
    await page.bringToFront(); // a tab behind another is drawn once in a while only
    const root = page.locator(selector).first();
    const line = await root.locator('.irs-line').boundingBox();
    const handle = await root.locator('.irs-handle.single').boundingBox();
    const y = handle.y + handle.height / 2;
    await page.mouse.move(handle.x + handle.width / 2, y);
    await page.mouse.down();
    await page.mouse.move(line.x + line.width * share, y, { steps: 8 });
    await page.mouse.up();
  },
  upload: ({ page }, { selector, files }) => page.setInputFiles(selector, files),
  download: async ({ page }, { selector }) => {
    const waiting = page.waitForEvent('download');
    await page.click(selector);
    const got = await waiting;
    const failed = await got.failure();
    if (failed) throw new Error(`download: ${failed}`);
    const bytes = readFileSync(await got.path());
    return { name: got.suggestedFilename(), size: bytes.length, md5: createHash('md5').update(bytes).digest('hex'), url: got.url(), head: bytes.subarray(0, 200).toString('utf8') };
  },
  eval: ({ page }, { text }) => page.evaluate(text),
  // Every frame of the page: where it is, and what it shows to who may look.
  frames: ({ page }) => Promise.all(page.frames().map(async (f) => ({
    url: f.url(), text: flat(await f.evaluate('document.body ? document.body.innerText : ""').catch(() => '')),
  }))),
  seen: ({ seen }) => seen,
  sockets: ({ sockets }) => sockets,
  closed: ({ page, sockets }) => until(`every WebSocket of ${page.url()} to close`, async () => (sockets.length && sockets.every((s) => s.closed) ? sockets.length : undefined)),
  cookies: ({ page }) => page.context().cookies(),
  forget: ({ page }) => page.context().clearCookies(),
  setCookies: ({ page }, { cookies }) => page.context().addCookies(cookies),
  screenshot: async ({ page }, { text, dark }) => {
    await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
    await page.screenshot({ path: join(screenshots, `${text}.png`), fullPage: true, animations: 'disabled' });
  },
  viewport: ({ page }, { width, height }) => page.setViewportSize({ width, height }),
  close: ({ page }) => page.close(),
};

async function obey(line) {
  const { id, do: verb, ...args } = JSON.parse(line);
  try {
    if (verb === 'open') return { id, value: await open(args) };
    const tab = tabs.get(args.page);
    if (!tab || !verbs[verb]) throw new Error(`no page ${args.page} or no verb ${verb}`);
    return { id, value: await verbs[verb](tab, args) };
  } catch (error) {
    return { id, error: String(error.message).split('\n').slice(0, 6).join(' | ') };
  }
}

console.log(JSON.stringify({ version: `Chromium ${browser.version()}` }));
const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => console.log(JSON.stringify(await obey(line))));
lines.on('close', async () => { await browser.close(); process.exit(0); });
