/**
 * Opens reports in a real Chromium, from disk, and says how the page does: times, accessibility, requests, pictures.
 *
 *   node dev/drive.mjs measure|axe|hostile|pictures REPORT…
 *   node dev/drive.mjs play    # takes a step in each line of its input, and says after each what a reader then has
 *
 * Set CHROMIUM if it is not /usr/bin/chromium. Exit status 1 if something is not as it should be.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [mode, ...reports] = process.argv.slice(2);
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const profile = mkdtempSync(join(tmpdir(), "patch-report-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  acceptDownloads: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

const complaints = [];

function wrong(what) {
  complaints.push(what);
  console.error(`WRONG ${what}`);
  process.exitCode = 1;
}

/** A page that tells of every request but its own, of every error, and of every dialog. */
async function open(report, { hash = "", width = 1280, height = 900, scheme = "light" } = {}) {
  const page = await context.newPage();
  const url = pathToFileURL(resolve(report)).href;
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== url && !request.url().startsWith("blob:")) wrong(`request to ${request.url()}`);
  });
  page.on("pageerror", (error) => wrong(`error ${error.message}`));
  page.on("console", (message) => message.type() === "error" && wrong(`console: ${message.text()}`));
  page.on("dialog", (dialog) => {
    wrong(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: scheme });
  const began = performance.now();
  await page.goto(url + hash);
  await page.waitForSelector(".panel-patches, article.node", { timeout: 60_000 });
  return { page, ready: performance.now() - began };
}

/** How often each filter is timed. The best counts: the machine may have other things to do. */
const ROUNDS = 3;

const modes = {
  async measure(report) {
    const { page, ready } = await open(report);
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    console.log(`${basename(report)}: first paint ${Math.round(paint)} ms, all there ${Math.round(ready)} ms`);
    const actions = {
      "non-compliant": "document.querySelector('[data-kpi=non-compliant]').click()",
      "and stale": "document.querySelector('[data-kpi=stale]').click()",
      "all again": "[...document.querySelectorAll('.chips .link')].at(-1).click()",
      "search cve-2024-1": "location.hash='#q=cve-2024-1'",
      "search web": "location.hash='#q=web'",
      "severity critical": "location.hash='#severity=CRITICAL'",
      "tag": "location.hash='#tag=Environment/production'",
      "sort by name": "document.querySelector('.nodes th:nth-child(2) button').click()",
      "all": "location.hash='#'",
    };
    const best = {};
    for (const [name, action] of Array(ROUNDS).fill(Object.entries(actions)).flat()) {
      const times = await page.evaluate(async (code) => {
        const began = performance.now();
        if (code.startsWith("location")) {
          const moved = new Promise((done) => addEventListener("popstate", done, { once: true }));
          const value = /'(.*)'/.exec(code)[1];
          location.hash = value;
          await moved;
        } else if (code.startsWith("[...")) [...document.querySelectorAll(".chips .link")].at(-1).click();
        else document.querySelector(/'(.*)'/.exec(code)[1]).click();
        const worked = performance.now() - began;
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
        return [Math.round(worked), Math.round(performance.now() - began)];
      }, action);
      if (!(best[name]?.times[1] <= times[1])) best[name] = { times, result: await page.textContent(".result") };
    }
    for (const [name, { times, result }] of Object.entries(best)) {
      console.log(`  ${name}: ${times[0]} ms, painted after ${times[1]} ms; ${result}`);
    }
    const memory = await page.evaluate(() => performance.memory?.usedJSHeapSize);
    console.log(`  heap ${Math.round(memory / 1e6)} MB`);
    await page.close();
  },

  async axe(report) {
    for (const scheme of ["light", "dark"]) {
      for (const [name, prepare] of [
        ["overview", async () => undefined],
        ["filtered, menu open", async (page) => {
          const tile = page.locator("[data-kpi=non-compliant]");
          // Without the nodes it can't be pressed.
          if (await tile.isEnabled()) await tile.click();
          await page.click("[data-facet=account] summary");
          await page.click(".queries summary");
        }],
        ["node", async (page) => {
          await page.click("[data-node]");
          await page.waitForSelector("article.node");
        }],
      ]) {
        for (const width of [320, 1280]) {
          const { page } = await open(report, { scheme, width });
          await prepare(page);
          await page.evaluate(axe);
          const { violations, passes } = await page.evaluate(() => globalThis.axe.run({
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
          }));
          console.log(`${basename(report)} ${name} ${scheme} ${width}: ${violations.length} violations, ${passes.length} rules passed`);
          for (const { id, help, nodes } of violations) {
            wrong(`${id}: ${help}`);
            for (const { html, failureSummary } of nodes.slice(0, 3)) console.error(`  ${html.slice(0, 200)}\n  ${failureSummary}`);
          }
          await page.close();
        }
      }
    }
  },

  async hostile(report) {
    const { page } = await open(report);
    const check = async (where) => {
      const found = await page.evaluate(() => ({
        alien: document.querySelectorAll("main img, main iframe, main script, main [onload], main [onerror], main a[href^='javascript']").length,
        styled: document.querySelectorAll("[style]").length,
        tall: [...document.querySelectorAll("tr, li, .fact, h2")].filter((part) => part.offsetHeight > 400).length,
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      }));
      for (const [what, number] of Object.entries(found)) if (number > 0) wrong(`${where}: ${number} ${what}`);
    };
    await check("overview");
    for (const menu of await page.$$(".menu")) {
      await (await menu.$("summary")).click();
      await check("menu");
      await page.keyboard.press("Escape");
    }
    for (const link of (await page.$$eval(".nodes tbody a", (links) => links.map((a) => a.getAttribute("href")))).slice(0, 25)) {
      await page.evaluate((href) => { location.hash = href; }, link);
      await page.waitForSelector("article.node");
      await check(link);
    }
    for (const hash of ["#<img src=x onerror=alert(1)>", "#q=%3Cscript%3Ealert(1)%3C/script%3E", "#account=%00&status=x", "#%", "#node=a/b/c"]) {
      await page.evaluate((value) => { location.hash = value; }, hash);
      await page.waitForTimeout(50);
      await check(hash);
    }
    await page.evaluate(() => { location.hash = "#"; });
    await page.waitForSelector(".panel-nodes:visible");
    for (const button of await page.$$("main .actions .quiet")) {
      if (!(await button.isVisible())) continue;
      const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
      const text = readFileSync(await download.path(), "utf8");
      const fields = text.replace(/^\uFEFF/, "").match(/("(?:[^"]|"")*"|[^,\r\n]*)(?:,|\r\n|$)/g) ?? [];
      const bad = fields.filter((field) => /(?:^"?|[;\t\r\n])\s*(?:[=+@]|-(?!\d+,?$))/.test(field.trimEnd()));
      if (bad.length > 0) wrong(`${download.suggestedFilename()}: formulas ${JSON.stringify(bad.slice(0, 3))}`);
      if (!text.startsWith("\uFEFF")) wrong("no byte order mark");
      console.log(`  ${download.suggestedFilename()}: ${text.length} characters, ${fields.length} fields`);
    }
    await page.close();
  },

  async pictures(report) {
    const name = basename(report, ".html");
    for (const [label, options, full] of [
      ["320", { width: 320, height: 800 }, true], ["1280", {}, true], ["1280-dark", { scheme: "dark" }, true],
      ["3840", { width: 3840, height: 2160 }, true],
    ]) {
      const { page } = await open(report, options);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) wrong(`${label}: scrolls sideways by ${wide} px`);
      await page.screenshot({ path: `build/${name}-${label}.png`, fullPage: full });
      // What the project's README shows.
      if (label === "1280") await page.screenshot({ path: `build/${name}.png`, clip: { x: 0, y: 0, width: 1280, height: 1000 }, fullPage: true });
      if (label !== "3840") {
        await page.click(".nodes tbody a");
        await page.waitForSelector("article.node");
        await page.screenshot({ path: `build/${name}-${label}-node.png` });
      }
      if (label === "1280") {
        await page.goBack();
        await page.waitForSelector(".panel-nodes:visible");
        await page.click("[data-kpi=non-compliant]");
        await page.click("[data-facet=tag] summary");
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({ path: `build/${name}-menu.png` });
        await page.keyboard.press("Escape");
        await page.pdf({ path: `build/${name}.pdf`, preferCSSPageSize: true, printBackground: true });
      }
      await page.close();
    }
  },
};

/** Runs in the page: what is visible, as text in the order of a screen reader. */
function seen() {
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  const read = (element) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) => {
      if (node.ariaHidden === "true") return NodeFilter.FILTER_REJECT;
      return node instanceof Text ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP;
    });
    const parts = [];
    while (walker.nextNode()) parts.push(walker.currentNode.data);
    return parts.join(" ").replace(/\s+/g, " ").trim();
  };
  const find = (selector, within = document) => [...within.querySelectorAll(selector)].filter(visible);
  const texts = (selector, within) => find(selector, within).map(read);
  const facts = (within) => Object.fromEntries(
    find("dt", within).map((name) => [read(name), read(name.nextElementSibling)]),
  );
  const panel = (element) => {
    const rows = (part) => find(`${part} tr`, element).map((row) => [...row.cells].map(read));
    return {
      title: read(element.querySelector("h2")), head: rows("thead")[0] ?? [], rows: rows("tbody"), foot: rows("tfoot")[0] ?? [],
      items: texts(".groups > li", element), facts: facts(element), notes: texts("p", element),
    };
  };
  return {
    hash: location.hash,
    focus: document.activeElement === document.body ? "" : read(document.activeElement),
    facts: facts(document.querySelector("header")),
    kpis: Object.fromEntries(find("[data-kpi]").map((kpi) => [kpi.dataset.kpi, texts("span[class^=kpi-]", kpi)])),
    result: texts(".result").join(),
    chips: texts(".chip-text"),
    notices: texts(".notice"),
    panels: Object.fromEntries(find(".panel:has(h2)").map((each) => [each.querySelector("h2").id || each.className, panel(each)])),
    more: document.querySelector(".pager button:nth-of-type(3)")?.ariaDisabled === "false",
  };
}

/** What a reader does. `at` is a selector of Playwright's. What a step returns is said beside what is seen. */
const steps = {
  click: (page, { at }) => page.click(at),
  type: (page, { at, text }) => page.fill(at, text),
  choose: (page, { at, text }) => page.selectOption(at, text),
  press: (page, { key }) => page.keyboard.press(key),
  back: (page) => page.goBack(),
  wait: (page, { at }) => page.waitForSelector(at),
  /** With Tab alone. */
  async reach(page, { at }) {
    for (let presses = 0; presses < 500; presses++) {
      await page.keyboard.press("Tab");
      const focused = await page.locator(at).evaluateAll((all) => all.includes(document.activeElement));
      if (focused) return { presses };
    }
    throw new Error(`no Tab leads to ${at}`);
  },
  async save(page, { at }) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(at)]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
  },
  /** What stands on the page while it is printed, and how many sheets it takes. */
  async print(page) {
    await page.emulateMedia({ media: "print" });
    await page.evaluate(`addEventListener("beforeprint", () => { globalThis.printed = (${seen})(); }, { once: true })`);
    const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true });
    await page.emulateMedia({ media: null });
    const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    return { ...(await page.evaluate("globalThis.printed")), sheets };
  },
  /** Tries what markup in a value would try, against a server that listens at `url`. */
  async tempt(page, { url }) {
    // Chromium tells of all that it stops, which is what is wanted here.
    for (const event of ["console", "request"]) page.removeAllListeners(event);
    return page.evaluate(async (address) => {
      const stopped = [];
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => stopped.push(effectiveDirective));
      const put = (name, attributes) => document.body.appendChild(Object.assign(document.createElement(name), attributes));
      const loaded = (element) => new Promise((done) => { element.onload = element.onerror = done; });
      put("script", { textContent: "globalThis.injected = true" });
      put("style", { textContent: "body { display: none }" });
      document.body.insertAdjacentHTML("beforeend", '<b id="injected" onclick="globalThis.injected = true"></b>');
      document.getElementById("injected").click();
      const fetched = await fetch(address, { mode: "no-cors" }).then(() => true, () => false);
      await Promise.all([loaded(put("script", { src: `${address}/x.js` })), loaded(put("img", { src: `${address}/x.png` }))]);
      return { stopped: stopped.sort(), fetched, injected: globalThis.injected === true };
    }, url);
  },
};

async function play() {
  let page;
  for await (const line of createInterface({ input: process.stdin })) {
    const { step, ...what } = JSON.parse(line);
    let said;
    try {
      if (step === "open") {
        await page?.close();
        ({ page } = await open(what.report, what));
        page.setDefaultTimeout(10_000);
      } else said = await steps[step](page, what);
      // Until what follows from the step is on the screen.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
      const answer = { ...(await page.evaluate(seen)), ...(typeof said === "object" && { said }) };
      console.log(JSON.stringify({ ...answer, wrong: complaints.splice(0) }));
    } catch (error) {
      console.log(JSON.stringify({ wrong: [...complaints.splice(0), error.message] }));
    }
  }
}

if (mode === "play") await play();
for (const report of reports) await modes[mode](report);
await context.close();
rmSync(profile, { recursive: true });
