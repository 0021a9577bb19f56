/** Whose report this is, of when, how old what it says is, and what is missing from it. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { QueryRun, Summary } from "./data";
import { Scroll } from "./parts";
import { age, ageAt, bytes, count, secondsOf, sinceMade, time, word } from "./words";

const DAY = 86_400;
const DARK = "(prefers-color-scheme: dark)";

export function Header({ summary }: { summary: Summary }): JSX.Element {
  const made = secondsOf(summary.made) ?? 0;
  const fact = (name: string, value: ComponentChildren): JSX.Element => (
    <div class="fact"><dt>{name}</dt><dd>{value}</dd></div>
  );
  const scan = (text: string | null): ComponentChildren => {
    const seconds = secondsOf(text);
    if (seconds === null) return summary.nodes === null ? "unknown" : "none";
    const stale = summary.staleAfterDays !== null && made - seconds > summary.staleAfterDays * DAY;
    return (
      <>
        {time(seconds)} <span class={stale ? "loud" : "soft"}>({ageAt(made, seconds)})</span>
      </>
    );
  };
  return (
    <header class="top">
      <div class="title">
        <h1>Patch compliance</h1>
        <ThemeSwitch />
      </div>
      <dl class="facts">
        {fact("Made", made > 0 ? time(made) : summary.made)}
        {fact("Workgroup", summary.workgroup)}
        {fact("Database", summary.database)}
        {fact("Athena in", [summary.account, summary.region].filter(Boolean).join(", "))}
        {fact("Newest scan", scan(summary.newestScan))}
        {fact("Oldest scan", scan(summary.oldestScan))}
        {fact("Queries", queriesInWords(summary.queries))}
      </dl>
      <Notices summary={summary} made={made} />
    </header>
  );
}

function queriesInWords(queries: readonly QueryRun[]): ComponentChildren {
  const failed = queries.filter(didNotSucceed).length;
  return failed === 0
    ? `${queries.length} saved queries, all succeeded`
    : <span class="loud">{failed} of {queries.length} did not succeed</span>;
}

function didNotSucceed({ status }: QueryRun): boolean {
  return status !== "SUCCEEDED";
}

/** What a reader must not miss. */
function Notices({ summary, made }: { summary: Summary; made: number }): JSX.Element {
  const failed = summary.queries.filter(didNotSucceed);
  const newest = secondsOf(summary.newestScan);
  const limit = summary.staleAfterDays;
  const stale = newest !== null && limit !== null && made - newest > limit * DAY;
  const since = made > 0 ? sinceMade(made, Date.now() / 1000) : null;
  return (
    <>
      {(summary.incomplete || failed.length > 0) && (
        <div class="notice bad">
          <p><strong>This report is incomplete.</strong> What these queries would have said is missing from it:</p>
          <ul>
            {failed.map(({ name, status, reason }) => (
              <li key={name}><strong>{name}</strong>: {word(status)}{reason ? `: ${reason}` : ""}</li>
            ))}
          </ul>
        </div>
      )}
      {summary.nodes === 0 && (
        <div class="notice bad">
          <p><strong>No node is known.</strong> The queries succeeded and found none: is anything shipped and crawled yet?</p>
        </div>
      )}
      {stale && (
        <div class="notice bad">
          <p>
            <strong>All scans are stale.</strong> When the report was made, the newest scan of any node was {" "}
            {age(made - newest)} old, more than the {limit} days after which a scan counts as stale.
          </p>
        </div>
      )}
      {since !== null && <div class="notice"><p>{since}</p></div>}
    </>
  );
}

/** Follows the system until it is pressed. Nothing is kept on the reader's machine. */
function ThemeSwitch(): JSX.Element {
  const [dark, setDark] = useState(() => matchMedia(DARK).matches);
  useEffect(() => {
    const system = matchMedia(DARK);
    const follow = (): void => {
      if (document.documentElement.dataset["theme"] === undefined) setDark(system.matches);
    };
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  return (
    <button
      type="button" class="quiet no-print" aria-pressed={dark}
      onClick={() => {
        document.documentElement.dataset["theme"] = dark ? "light" : "dark";
        setDark(!dark);
      }}
    >
      Dark
    </button>
  );
}

/** Every query, how it ended and what it read: which data the report is made from. */
export function Queries({ summary, printing }: { summary: Summary; printing: boolean }): JSX.Element {
  return (
    <details class="panel queries" open={printing || undefined}>
      <summary><h2>Queries that this report is made from</h2></summary>
      <Scroll label="Queries">
        <table>
          <thead>
            <tr>
              <th scope="col">Query</th><th scope="col">Ended</th><th scope="col" class="right">Rows</th>
              <th scope="col" class="right">Read</th><th scope="col" class="right">Seconds</th>
              <th scope="col">Athena says</th>
            </tr>
          </thead>
          <tbody>
            {summary.queries.map((run) => (
              <tr key={run.name}>
                <th scope="row">{run.name}</th>
                <td>{didNotSucceed(run) ? <span class="loud">{word(run.status)}</span> : word(run.status)}</td>
                <td class="right">{run.rows === null ? "" : count(run.rows)}</td>
                <td class="right">{bytes(run.scannedBytes)}</td>
                <td class="right">{run.seconds === null ? "" : run.seconds.toFixed(1)}</td>
                <td>{run.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}
