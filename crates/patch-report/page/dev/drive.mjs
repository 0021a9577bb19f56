/**
 * Opens reports in a real Chromium, from disk, and says how the page does: times, accessibility, requests, pictures.
 *
 *   node dev/drive.mjs measure|axe|hostile|pictures REPORT…
 *
 * Set CHROMIUM if it is not /usr/bin/chromium. Exit status 1 if something is not as it should be.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
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

function wrong(what) {
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
    for (const [name, action] of Object.entries(actions)) {
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
      console.log(`  ${name}: ${times[0]} ms, painted after ${times[1]} ms; ${await page.textContent(".result")}`);
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
      const bad = fields.filter((field) => /^"?[=+@\t\r]|^"?-(?!\d+[,\r])/.test(field.replace(/^\r\n$/, "")));
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

for (const report of reports) await modes[mode](report);
await context.close();
rmSync(profile, { recursive: true });
