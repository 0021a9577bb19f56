"""The CloudFormation templates as data, for the tests that check their rules."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

CFN = Path(__file__).resolve().parent.parent / "cfn"
CENTRAL = CFN / "patch-reporting.yaml"
MEMBER = CFN / "organization-resource-data-sync.yaml"
CODE = CFN / "code-buckets.yaml"
QUICKSIGHT = CFN / "quicksight.yaml"

FUNCTION_TYPES = {"AWS::Lambda::Function", "AWS::Serverless::Function"}
STATEFUL_TYPES = {"AWS::KMS::Key", "AWS::S3::Bucket", "AWS::Logs::LogGroup"}


@functools.cache
def load(path: Path) -> dict[str, Any]:
    """The template with every short form (`!Ref`) in its long form (`{"Ref": …}`); shared, so not to be changed."""
    return cfn_yaml.load(str(path))


def properties(path: Path, logical_id: str) -> dict[str, Any]:
    """The properties of one resource."""
    return load(path)["Resources"][logical_id].get("Properties", {})


def resources(path: Path, *types: str) -> dict[str, dict[str, Any]]:
    """The template's resources of these types, by logical id."""
    return {name: each for name, each in load(path)["Resources"].items() if each["Type"] in types}


def as_list(value: Any) -> list[Any]:
    """What a policy may give as one value or as a list, as a list."""
    return list(value) if isinstance(value, list) else [value]


def walk(value: Any) -> Iterator[Any]:
    """Every value inside a template, the value itself first."""
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from walk(child)


def references(value: Any) -> set[str]:
    """The logical ids (and parameters) that Ref, Fn::GetAtt and Fn::Sub name anywhere inside the value."""
    found: set[str] = set()
    for node in walk(value):
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("Ref"), str):
            found.add(node["Ref"])
        if "Fn::GetAtt" in node:
            target = node["Fn::GetAtt"]
            found.add(target.split(".")[0] if isinstance(target, str) else target[0])
        if "Fn::Sub" in node:
            text = as_list(node["Fn::Sub"])[0]
            found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}
    return found


def text_as_deployed(path: Path, value: Any) -> str:
    """A text made by Fn::Sub as CloudFormation deploys it, with the parameters' defaults and the mappings' texts in it.

    Raises KeyError for a name that is neither a parameter with a default nor a variable of the text's own.
    """
    if isinstance(value, str):
        return value
    template = load(path)
    if "Ref" in value:
        return str(template["Parameters"][value["Ref"]]["Default"])
    if "Fn::FindInMap" in value:
        mapping, first, second = value["Fn::FindInMap"]
        return template["Mappings"][mapping][first][second]
    text, variables = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})

    def named(match: re.Match[str]) -> str:
        return text_as_deployed(path, variables.get(match[1], {"Ref": match[1]}))

    # ${!Name} stands for the text ${Name}.
    return re.sub(r"\$\{([^!}]+)\}", named, text).replace("${!", "${")


def direct_dependencies(path: Path, logical_id: str) -> set[str]:
    """The resources that one resource needs to be there, by DependsOn or by reference."""
    template = load(path)
    resource = template["Resources"][logical_id]
    explicit = set(as_list(resource.get("DependsOn", [])))
    return (explicit | references(resource.get("Properties", {}))) & template["Resources"].keys()


def dependencies(path: Path, logical_id: str) -> set[str]:
    """The resources that must be there before this one is made, and are deleted only after it is gone."""
    found: set[str] = set()
    left = direct_dependencies(path, logical_id)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left |= direct_dependencies(path, name)
    return found


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document, those that hang on a condition included."""
    found = []
    for statement in document["Statement"]:
        if "Fn::If" in statement:
            _, then, otherwise = statement["Fn::If"]
            found += [each for each in (then, otherwise) if "Ref" not in each]
        else:
            found.append(statement)
    return found


def role_statements(path: Path, role: str) -> list[dict[str, Any]]:
    """What a role allows: its inline policies and the template's policies attached to it."""
    documents = [policy["PolicyDocument"] for policy in properties(path, role).get("Policies", [])]
    documents += [
        policy["Properties"]["PolicyDocument"]
        for policy in resources(path, "AWS::IAM::RolePolicy").values()
        if policy["Properties"]["RoleName"] == {"Ref": role}
    ]
    return [statement for document in documents for statement in statements(document)]


def by_sid(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Statements by their Sid."""
    return {statement["Sid"]: statement for statement in found}
