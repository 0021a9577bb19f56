/**
 * Writes a report of a made-up fleet, as `patch-report` would: for looking at the page and for measuring it.
 *
 *   node dev/sample.mjs OUT [--nodes 60] [--findings 20] [--others 0] [--accounts N] [--regions 7]
 *     [--compliant] [--hostile] [--failed QUERY,…]
 *
 * The same arguments give the same fleet.
 */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: "string", default: "60" }, findings: { type: "string", default: "20" },
    hostile: { type: "boolean", default: false }, others: { type: "string", default: "0" }, accounts: { type: "string" }, regions: { type: "string", default: "7" },
    compliant: { type: "boolean", default: false }, failed: { type: "string", default: "" },
  },
});
const NODES = Number(values.nodes);
const FINDINGS = Number(values.findings);
const { hostile } = values;
const failed = new Set(values.failed.split(",").filter(Boolean));
const incomplete = failed.size > 0;

let seed = 42;
/** A whole number below `end` (mulberry32). */
function below(end) {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * end);
}
const pick = (list) => list[below(list.length)];

/** Each of them does something where text is taken for markup, a formula, a path or a name of JavaScript's. */
const ATTACKS = [
  "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "\"><svg onload=alert(1)>", "=1+1", "+1", "-1",
  "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://example.com\",\"x\")", "javascript:alert(1)", "__proto__",
  "constructor", "toString", "<!--", "]]>", "&lt;b&gt;", "{{7*7}}", "${7*7}", "\u202egnp.exe", "\u0000nul", "a\nb",
  "a,b;c\"d", "ä ö ü 漢字 🙂", "x".repeat(300), "long ".repeat(20_000), "../../etc/passwd", "a~b/c#d&e=f%20",
];
const attack = () => pick(ATTACKS);

const strings = [""];
const index = new Map([["", 0]]);
function s(text) {
  let at = index.get(text);
  if (at === undefined) index.set(text, (at = strings.push(text) - 1));
  return at;
}

const MADE = Date.parse("2026-01-15T12:00:00Z") / 1000;
const DAY = 86400;
const ACCOUNTS = Number(values.accounts ?? Math.max(3, Math.min(120, Math.round(NODES / 250))));
const accounts = Array.from({ length: ACCOUNTS }, () =>
  String(100000000000 + below(899999999) * 1000 + below(1000)).slice(0, 12));
const regions = [
  "eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-2", "ap-northeast-1", "sa-east-1",
  "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ca-central-1", "eu-north-1", "eu-west-2", "eu-west-3",
  "us-east-2", "us-west-1",
].slice(0, Number(values.regions));
const systems = [
  ["Linux", "Amazon Linux 2"], ["Linux", "Amazon Linux 2023"], ["Linux", "Ubuntu 22.04"], ["Linux", "SLES 15.5"],
  ["Linux", "Red Hat Enterprise Linux 9.3"], ["Linux", "Red Hat Enterprise Linux 8.10"],
  ["Windows", "Microsoft Windows Server 2019 Datacenter 10.0.17763"],
  ["Windows", "Microsoft Windows Server 2022 Datacenter 10.0.20348"], ["MacOS", "macOS 14.2"],
];
const environments = ["production", "staging", "development", "sandbox"];
const teams = ["payments", "search", "identity", "platform", "data", "web"];
const severities = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"];
const vendor = ["Critical", "Important", "Moderate", "Low", "", ""];

const patches = { id: [], title: [], classification: [], patchSeverity: [], severity: [], cves: [] };
const PATCHES = NODES < 1000 ? 120 : 3000;
for (let i = 0; i < PATCHES; i++) {
  const windows = i % 3 === 0;
  const level = Math.min(5, Math.floor(Math.abs(below(10) - 3)));
  const id = hostile && i % 2 ? attack() + i : windows ? `KB50${34000 + i}` : `${pick(["openssl", "glibc", "kernel", "curl", "zlib", "python3", "sudo", "ncurses", "libxml2", "bind"])}-libs${i}.x86_64`;
  patches.id.push(s(id));
  patches.title.push(s(hostile ? attack() : windows
    ? `2026-01 Cumulative Update for Microsoft server operating system version 21H2 for x64-based Systems (KB50${34000 + i})`
    : `${id}:0:${1 + below(9)}.${below(30)}-${below(9)}.amzn2023`));
  patches.classification.push(s(hostile ? attack() : windows ? "SecurityUpdates" : "Security"));
  patches.patchSeverity.push(s(hostile ? attack() : vendor[level]));
  patches.severity.push(s(hostile && i % 3 === 0 ? attack() : severities[level]));
  patches.cves.push(s(hostile && i % 4 === 0 ? attack() : Array.from({ length: below(i % 10 === 0 ? 30 : 4) }, () => `CVE-202${3 + below(3)}-${1000 + below(40000)}`).sort().join(",")));
}

const columns = [
  "account", "region", "id", "name", "computer", "ip", "state", "platform", "os", "agent", "status", "lastScan",
  "stale", "patchGroup", "baseline", "severity", "missing", "failed", "pendingReboot", "rejected", "behind", "waiting",
  "lastSeen", "tags",
];
const nodes = Object.fromEntries(columns.map((column) => [column, []]));
const findings = { count: [], patch: [], state: [] };
const where = Array.from({ length: NODES }, () => {
  const account = Math.floor(accounts.length * Math.pow(below(10000) / 10000, 1.5));
  return [accounts[account], regions[Math.min(below(regions.length), below(regions.length - 3) + (account % 4))], `i-${below(2 ** 32).toString(16).padStart(8, "0")}${below(2 ** 32).toString(16).padStart(8, "0")}0`];
}).sort((a, b) => (a.join() < b.join() ? -1 : 1));
const states = ["Missing", "Missing", "Missing", "Missing", "Missing", "Failed", "InstalledPendingReboot", "InstalledRejected"];
const total = { compliant: 0, nonCompliant: 0, notScanned: 0, stale: 0, waiting: 0, behind: 0 };
let newest = 0;
let oldest = 0;
where.forEach(([account, region, id], i) => {
  const [platform, os] = pick(systems);
  const status = values.compliant ? 0 : below(100) < 64 - (accounts.indexOf(account) % 5) * 11 ? 0 : below(10) === 0 ? 2 : 1;
  const age = status === 2 ? 0 : below(12) === 0 ? 31 + below(90) : below(9);
  const lastScan = status === 2 ? 0 : MADE - age * DAY - below(DAY);
  const stale = lastScan > 0 && MADE - lastScan > 30 * DAY ? 1 : 0;
  const environment = pick(environments);
  const name = `${pick(teams)}-${pick(["web", "db", "app", "worker"])}-${i}`;
  const own = status === 1 ? new Set(Array.from({ length: FINDINGS * 2 }, () => Math.floor(PATCHES * Math.pow(below(10000) / 10000, 2)))) : new Set();
  // As many findings as asked for on average, whatever the status, where many are asked for.
  if (FINDINGS >= 50 && own.size === 0) for (let k = 0; k < FINDINGS; k++) own.add(below(PATCHES));
  const mine = [...own].slice(0, FINDINGS).sort((a, b) => a - b);
  const count = { Missing: 0, Failed: 0, InstalledPendingReboot: 0, InstalledRejected: 0 };
  let last = 0;
  for (const patch of mine) {
    findings.patch.push(patch - last);
    last = patch;
    const state = pick(states);
    count[state]++;
    findings.state.push(s(state));
  }
  findings.count.push(mine.length);
  const behind = below(6) === 0 ? 1 : 0;
  const tags = [["Environment", environment], ["Team", pick(teams)], ["CostCenter", String(1000 + below(40))], ["Name", name], ["PatchGroup", `${environment}-${platform === "Windows" ? "windows" : "linux"}`]];
  if (hostile) tags.push([attack(), attack()], ["__proto__", attack()], ["Empty", ""]);
  const row = {
    account: s(hostile && i % 9 === 0 ? attack() : account), region: s(hostile && i % 7 === 0 ? attack() : region),
    id: s(hostile && i % 5 === 0 ? attack() + i : id), name: s(hostile ? attack() : name),
    computer: s(hostile ? attack() : `ip-10-${below(255)}-${below(255)}-${below(255)}.${region}.compute.internal`),
    ip: s(hostile ? attack() : `10.${below(255)}.${below(255)}.${below(255)}`),
    state: s(hostile ? attack() : below(20) === 0 ? "Stopped" : below(20) === 0 ? "ConnectionLost" : "Active"),
    platform: s(hostile && i % 3 === 0 ? attack() : platform), os: s(hostile ? attack() : os),
    agent: s(hostile ? attack() : behind ? "3.2.1630.0" : "3.3.1611.0"), status, lastScan, stale,
    patchGroup: s(hostile ? attack() : below(8) === 0 ? "" : `${environment}-${platform === "Windows" ? "windows" : "linux"}`),
    baseline: s(hostile ? attack() : `pb-0${1234567 + below(4)}89abcdef0`), severity: s(hostile ? attack() : status === 1 ? pick(severities) : ""),
    missing: status === 2 ? -1 : count.Missing, failed: status === 2 ? -1 : count.Failed,
    pendingReboot: status === 2 ? -1 : count.InstalledPendingReboot, rejected: status === 2 ? -1 : count.InstalledRejected,
    behind, waiting: count.InstalledPendingReboot > 0 ? 1 : 0, lastSeen: MADE - below(2 * DAY),
    tags: tags.flatMap(([key, value]) => [s(key), s(value)]),
  };
  for (const column of columns) nodes[column].push(row[column]);
  total[["compliant", "nonCompliant", "notScanned"][status]]++;
  total.stale += stale;
  total.waiting += row.waiting;
  total.behind += behind;
  if (lastScan > newest) newest = lastScan;
  if (lastScan > 0 && (oldest === 0 || lastScan < oldest)) oldest = lastScan;
});
/** Nodes whose patches are known and nothing else: so many, or all if there is no answer to who the nodes are. */
const others = { account: [], region: [], id: [] };
for (let i = 0; i < Number(values.others); i++) {
  others.account.push(s(hostile ? attack() : pick(accounts)));
  others.region.push(s(pick(regions)));
  others.id.push(s(hostile ? attack() : `mi-0${String(i).padStart(16, "0")}`));
  findings.count.push(2);
  findings.patch.push(below(50), 1 + below(20));
  findings.state.push(s("Missing"), s(pick(states)));
}
if (failed.has("QueryNodes")) for (const name of Object.keys(others)) others[name].unshift(...nodes[name]);
if (others.id.length > 0) findings.others = others;
const iso = (seconds) => (seconds ? `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z` : null);
const some = Array.from({ length: Math.min(40, Math.ceil(NODES / 20)) }, (_, i) => i);
const data = {
  strings, nodes, patches, findings,
  silentAccounts: failed.has("QuerySilentAccounts") ? null : {
    account: some.slice(0, 3).map((i) => s(hostile ? attack() : String(900000000000 + i))), nodes: some.slice(0, 3).map((i) => 4 + i),
    lastSeen: some.slice(0, 3).map((i) => s(iso(MADE - (40 + i) * DAY))), days: some.slice(0, 3).map((i) => 40 + i),
  },
  gone: failed.has("QueryNodesGone") ? null : {
    account: some.map((i) => s(hostile ? attack() : accounts[i % accounts.length])), region: some.map(() => s(pick(regions))),
    id: some.map((i) => s(hostile ? attack() : `i-0dead${String(i).padStart(12, "0")}`)), name: some.map((i) => s(hostile ? attack() : `old-web-${i}`)),
    state: some.map((i) => s(i % 3 ? "Terminated" : "ConnectionLost")), lastSeen: some.map((i) => s(iso(MADE - (5 + i) * DAY))),
    days: some.map((i) => 5 + i),
  },
};
if (failed.has("QueryNonCompliantPatch")) data.patches = data.findings = null;
if (failed.has("QueryAgentsBehind")) data.nodes.behind = null;
if (failed.has("QueryPendingReboot")) data.nodes.waiting = null;
if (failed.has("QueryNodes")) data.nodes = null;
const names = ["QueryNodes", "QueryNonCompliantPatch", "QueryPendingReboot", "QueryAgentsBehind", "QuerySilentAccounts", "QueryNodesGone"];
const rate = Math.floor((total.compliant * 2000 + NODES) / (2 * NODES)) / 10;
const summary = {
  version: 1, tool: "0.1.0", made: iso(MADE), workgroup: hostile ? ATTACKS[0] : "patch-workgroup", database: hostile ? ATTACKS[1] : "patch_database",
  region: "eu-central-1", account: "111122223333", staleAfterDays: 30,
  queries: names.map((name, i) => ({
    name, status: failed.has(name) ? ["FAILED", "TIMED_OUT", "MISSING"][i % 3] : "SUCCEEDED",
    reason: failed.has(name) ? `HIVE_CURSOR_ERROR: Failed to read file at s3://bucket/AWS%3AComplianceItem/accountid=111122223333/region=eu-west-1/${hostile ? ATTACKS[0] : "i-0123.json"}` : null,
    rows: failed.has(name) ? null : NODES * (i + 1), scannedBytes: failed.has(name) ? null : NODES * 9000, seconds: 1.2 + i,
  })),
  incomplete, nodes: NODES, compliant: total.compliant, nonCompliant: total.nonCompliant, notScanned: total.notScanned, rate,
  stale: total.stale, pendingReboot: failed.has("QueryPendingReboot") ? null : total.waiting,
  agentsBehind: failed.has("QueryAgentsBehind") ? null : total.behind, newestScan: iso(newest), oldestScan: iso(oldest),
};
if (failed.has("QueryNodes")) {
  for (const name of ["nodes", "compliant", "nonCompliant", "notScanned", "rate", "stale", "newestScan", "oldestScan"]) summary[name] = null;
}

const dist = new URL("../dist/", import.meta.url);
const script = readFileSync(new URL("report.js", dist), "utf8");
const style = readFileSync(new URL("report.css", dist), "utf8");
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const escape = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
const html = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><title>Patch compliance</title><style>${style}</style></head>
<body><main id="app"><h1>Patch compliance</h1><dl class="facts"><div class="fact"><dt>Made</dt><dd>${summary.made}</dd></div><div class="fact"><dt>Workgroup</dt><dd>${escape(summary.workgroup)}</dd></div></dl>
<dl class="facts"><div class="fact"><dt>Compliance rate</dt><dd>${rate} %</dd></div><div class="fact"><dt>Nodes</dt><dd>${NODES}</dd></div></dl>
<noscript><p class="notice">Tables, filters and charts need JavaScript, which is in this file and asks nothing of any server.</p></noscript></main>
<script type="application/json" id="summary">${JSON.stringify(summary).replaceAll("<", "\\u003c")}</script>
<script type="application/octet-stream" id="data">${gzipSync(JSON.stringify(data), { level: 9 }).toString("base64")}</script>
<script>${script}</script></body></html>`;
writeFileSync(positionals[0] ?? "build/sample.html", html);
console.log(`${(html.length / 1e6).toFixed(2)} MB, ${NODES} nodes, ${findings.patch.length} findings`);
