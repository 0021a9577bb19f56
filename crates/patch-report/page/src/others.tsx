/** Nodes that have patches not in order and that `QueryNodes` has not: it failed, or nothing else is known of them. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Cell } from "./csv";
import type { Findings, Fleet } from "./data";
import { hashOf, type NodeName } from "./hash";
import { List } from "./lost";
import { FINDING_HEAD, findingRows } from "./nodes";
import { Name, SaveButton } from "./parts";
import { fileName, type View } from "./view";
import { count } from "./words";

const HEAD = ["Node", "Account", "Region", "Missing", "Failed", "Patches not in order"];

export function OtherNodes(props: View & { fleet: Fleet; findings: Findings; listed: Uint32Array }): JSX.Element | null {
  const { fleet, findings, listed, summary, state } = props;
  const names = useMemo(() => [...listed].map((i) => nameOf(fleet, findings, i)), [fleet, findings, listed]);
  const rows = useMemo(
    () => names.map(({ id, account, region }, row): Cell[] => [
      id, account, region, ...countsOf(findings, findings.others.first + listed[row]!),
    ]),
    [names, findings, listed],
  );
  if (findings.others.count === 0) return null;
  return (
    <List
      id="others" title="Nodes known by their patches only" query="QueryNonCompliantPatch" view={props}
      note={(
        <>
          {fleet.nodes
            ? "QueryNonCompliantPatch has them and QueryNodes has not: no inventory of theirs is known."
            : "QueryNodes did not succeed, so that no more is known of them; nodes that are in order are not here."}
          {" "}They count in the missing patches and in no other number.
          {listed.length < findings.others.count && ` The filter shows ${count(listed.length)} of ${count(findings.others.count)}.`}
        </>
      )}
      head={HEAD} right={[3, 4, 5]} rows={rows}
      first={(row) => {
        const node = names[row]!;
        return <a href={`#${hashOf({ ...state, node })}`} data-node={node.id}><Name text={node.id || "(no id)"} /></a>;
      }}
      actions={(
        <SaveButton
          what="their patches that are not in order" text="CSV of their patches"
          name={fileName("others-findings", summary, state.filter)} head={["Account", "Region", "Node", ...FINDING_HEAD]}
          rows={() => rowsOf(fleet, findings, listed)}
        />
      )}
    />
  );
}

function nameOf({ strings }: Fleet, { others: { text } }: Findings, i: number): NodeName {
  return {
    account: strings[text.account[i]!] ?? "", region: strings[text.region[i]!] ?? "", id: strings[text.id[i]!] ?? "",
  };
}

/** Missing, failed and all. */
function countsOf({ start, state, states }: Findings, place: number): number[] {
  const counts = states.map(() => 0);
  for (let j = start[place]!; j < start[place + 1]!; j++) counts[state[j]!]!++;
  const of = (word: string): number => counts[states.indexOf(word)] ?? 0;
  return [of("Missing"), of("Failed"), start[place + 1]! - start[place]!];
}

function* rowsOf(fleet: Fleet, findings: Findings, listed: Uint32Array): Iterable<Cell[]> {
  for (const i of listed) {
    const { account, region, id } = nameOf(fleet, findings, i);
    yield* findingRows(fleet.strings, findings, [account, region, id], findings.others.first + i);
  }
}
