/** A small fleet for the tests. */

import { type Fleet, fleetOf, type RawData } from "./data";

interface Node {
  account?: string; region?: string; id: string; name?: string; os?: string; status?: number; lastScan?: number;
  stale?: number; missing?: number; waiting?: number; tags?: [string, string][];
  /** Index into the patches, and the state. */
  findings?: [number, string][];
}
export interface Patch { id: string; title?: string; severity?: string; cves?: string }

/** The columns that `patch-report` would write of these nodes. */
export function rawOf(nodes: Node[], patches: Patch[] = [], others: Node[] = []): RawData {
  const strings = [""];
  const s = (text = ""): number => {
    const known = strings.indexOf(text);
    return known >= 0 ? known : strings.push(text) - 1;
  };
  const found = [...nodes, ...others];
  const names = (of: Node[]): { account: number[]; region: number[]; id: number[] } => ({
    account: of.map((node) => s(node.account ?? "111122223333")), region: of.map((node) => s(node.region ?? "eu-west-1")),
    id: of.map((node) => s(node.id)),
  });
  const none = nodes.map(() => 0);
  return {
    strings,
    nodes: {
      ...names(nodes), name: nodes.map((node) => s(node.name)), computer: none, ip: none,
      state: none, platform: none, os: nodes.map((node) => s(node.os)), agent: none,
      status: nodes.map((node) => node.status ?? 0), lastScan: nodes.map((node) => node.lastScan ?? 0),
      stale: nodes.map((node) => node.stale ?? 0), patchGroup: none, baseline: none, severity: none,
      missing: nodes.map((node) => node.missing ?? -1), failed: none, pendingReboot: none, rejected: none, behind: none,
      waiting: nodes.map((node) => node.waiting ?? 0), lastSeen: none,
      tags: nodes.map((node) => (node.tags ?? []).flatMap(([key, value]) => [s(key), s(value)])),
    },
    patches: {
      id: patches.map((patch) => s(patch.id)), title: patches.map((patch) => s(patch.title)),
      classification: patches.map(() => 0), patchSeverity: patches.map(() => 0),
      severity: patches.map((patch) => s(patch.severity)), cves: patches.map((patch) => s(patch.cves)),
    },
    findings: {
      count: found.map((node) => node.findings?.length ?? 0),
      patch: found.flatMap((node) => (node.findings ?? []).map(([at], i, all) => at - (i > 0 ? all[i - 1]![0] : 0))),
      state: found.flatMap((node) => (node.findings ?? []).map(([, state]) => s(state))),
      others: names(others),
    },
    silentAccounts: null,
    gone: null,
  };
}

export function fleet(nodes: Node[], patches: Patch[] = [], others: Node[] = []): Fleet {
  return fleetOf(rawOf(nodes, patches, others));
}
