"""What the scripts decide about the StackSet: JSON from AWS and lists in, the next request out. It calls nothing.

stack_set.py settings TEMPLATE STACK-SET-JSON NAME=VALUE...
    Prints the parameters that the StackSet shall have, as JSON for --parameters; nothing if it is as it shall be. The
    file is empty if there is no StackSet yet.
    stack_set.py parameter STACK-SET-JSON NAME
        Prints the value that the StackSet has for a parameter; nothing if it has none or the file is empty.
    stack_set.py list STACK-SET-JSON NAME
        Prints what the StackSet has of `OrganizationalUnitIds` or `Regions`, a line each.
    stack_set.py stuck INSTANCES
        Prints a line each for the instances that StackSets neither updates nor deletes any more: Regions, accounts.
    stack_set.py work STACK-SET-JSON INSTANCES ACCOUNTS UNITS REGIONS FILTER
        Prints a line each for what is left to do: `create` or `retry`, the Regions, the accounts (`-`: all of the
        units). INSTANCES is a file of lines as list_instances writes them; ACCOUNTS a file of account ids, empty if it
        could not be found out which there are; UNITS, REGIONS and FILTER are separated by commas.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# What deploy-members asks for in each StackSet, beside the template and its parameters.
SETTINGS = {
    "Capabilities": ["CAPABILITY_IAM"],
    "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
    "ManagedExecution": {"Active": True},
}

# Nothing but taking the instance out of the StackSet helps these: https://docs.aws.amazon.com/AWSCloudFormation/latest/
# APIReference/API_StackInstanceComprehensiveStatus.html
BEYOND_RETRY = {"INOPERABLE", "SKIPPED_SUSPENDED_ACCOUNT"}


def settings(template: str, described: str, given: dict[str, str]) -> list[dict[str, str]] | None:
    """The parameters that the StackSet shall have, or None if nothing about it is to be changed.

    Parameters that are not given keep the value that the StackSet has, unless the template has dropped them.
    """
    if not described:
        return _parameters(given)
    found = json.loads(described)["StackSet"]
    before = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
    known = _names(template)
    after = {**{name: value for name, value in before.items() if name in known}, **given}
    wanted = {"TemplateBody": template, **SETTINGS}
    if before == after and all(_like(found.get(name), value) for name, value in wanted.items()):
        return None
    return _parameters(after)


def _like(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(found.get(name) == value for name, value in wanted.items())
    if isinstance(wanted, str):
        return isinstance(found, str) and found.strip() == wanted.strip()
    return bool(found == wanted)


def _parameters(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in sorted(values.items())]


def _names(template: str) -> set[str]:
    """The names of the template's parameters: what is indented by two blanks below `Parameters:`."""
    inside, names = False, set()
    for line in template.splitlines():
        if line[:1].isalpha():
            inside = line.startswith("Parameters:")
        elif inside and line.startswith("  ") and line[2:3].isalnum():
            names.add(line.split(":")[0].strip())
    return names


def work(
    described: str,
    instances: list[list[str]],
    accounts: list[str] | None,
    units: list[str],
    regions: list[str],
    only: list[str],
) -> list[tuple[str, list[str], list[str]]]:
    """What is left to do, as (create or retry, Regions, accounts); no accounts are all of the units.

    New instances are asked for by unit, so that StackSets knows the units for accounts to come; targets that have their
    instance already are passed over by StackSets. Instances that failed are tried again where they are, nowhere else.
    """
    found = json.loads(described)["StackSet"] if described else {}
    status = {(account, region): state for account, region, state, *_ in instances}
    unknown_units = set(units) - set(found.get("OrganizationalUnitIds", []))
    unserved = [
        region
        for region in regions
        if accounts is None  # nobody could say which accounts there are
        or unknown_units
        or region not in found.get("Regions", [])
        or any((account, region) not in status for account in accounts)
    ]
    todo: list[tuple[str, list[str], list[str]]] = []
    if unserved:
        todo.append(("create", unserved, only))
    failed = [
        (account, region)
        for (account, region), state in status.items()
        if region in regions
        and state not in {"SUCCEEDED", "CURRENT"} | BEYOND_RETRY
        and (account in only or not only if accounts is None else account in accounts)
    ]
    todo += [("retry", *places) for places in grouped(failed, regions)]
    return todo


def grouped(places: list[tuple[str, str]], regions: list[str]) -> list[tuple[list[str], list[str]]]:
    """The places of some Regions as Regions and accounts, each account in each Region: what one request can name."""
    found: dict[tuple[str, ...], list[str]] = {}
    for region in regions:
        if accounts := tuple(sorted(account for account, where in places if where == region)):
            found.setdefault(accounts, []).append(region)
    return [(where, list(accounts)) for accounts, where in found.items()]


def main(arguments: list[str]) -> None:
    """Runs the subcommand that the first argument names."""
    command, *rest = arguments
    if command == "settings":
        template, described, *given = rest
        values = dict(each.split("=", 1) for each in given)
        made = settings(Path(template).read_text(), Path(described).read_text(), values)
        print("" if made is None else json.dumps(made))
    elif command == "parameter":
        described, name = rest
        text = Path(described).read_text()
        values = json.loads(text)["StackSet"].get("Parameters", []) if text else []
        print(next((each["ParameterValue"] for each in values if each["ParameterKey"] == name), ""))
    elif command == "list":
        described, name = rest
        text = Path(described).read_text()
        print(*(json.loads(text)["StackSet"].get(name, []) if text else []), sep="\n")
    elif command == "stuck":
        stuck = [(account, region) for account, region, state, *_ in _rows(rest[0]) if state in BEYOND_RETRY]
        for where, whom in grouped(stuck, sorted({region for _, region in stuck})):
            print(",".join(where), ",".join(whom), sep="\t")
    elif command == "work":
        described, instances, accounts, *lists = rest
        rows = _rows(instances)
        units, regions, only = ([item for item in each.split(",") if item] for each in lists)
        meant = Path(accounts).read_text().split() if accounts else None
        for what, where, whom in work(Path(described).read_text(), rows, meant, units, regions, only):
            print(what, ",".join(where), ",".join(whom) or "-", sep="\t")


def _rows(instances: str) -> list[list[str]]:
    return [line.split("\t") for line in Path(instances).read_text().splitlines()]


if __name__ == "__main__":
    main(sys.argv[1:])
