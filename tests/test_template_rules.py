"""The rules of tests/rules hold for every template in cfn/, and breaking any of them by hand is seen.

The rules are in the language of CloudFormation Guard, so that they read without a knowledge of Python:
https://docs.aws.amazon.com/cfn-guard/latest/ug/writing-rules.html
They judge each template as it is written, and the SAM template a second time as SAM expands it. What Guard cannot see
(comments, strings at any depth) is judged here.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cfn_guard_rs.cfn_guard_rs import CfnGuardMissingValue, run_checks_rs
from cfnlint.template.transforms._sam import Transform

from templates import CENTRAL, CFN, load, walk

TEMPLATES = sorted(CFN.glob("*.yaml"))
SAM = "AWS::Serverless-2016-10-31"


# ----------------------------------------------------------------------------------------------------------------------
# Rules and verdicts
# ----------------------------------------------------------------------------------------------------------------------


def read_rules(path: Path) -> dict[str, str]:
    """The file's rules by name, each with all that it needs: the variables, and the rules that take parameters.

    Each is judged by itself, because of a long report the engine hands back the end only.
    """
    head, *chunks = re.split(r"(?m)^(?=rule )", path.read_text())
    named = {chunk.split()[1]: chunk for chunk in chunks}
    shared = head + "".join(chunk for name, chunk in named.items() if "(" in name)
    return {name: shared + chunk for name, chunk in named.items() if "(" not in name}


RULES = {
    name: text
    for path in sorted(Path(__file__).with_name("rules").glob("*.guard"))
    for name, text in read_rules(path).items()
}


def verdict(document: dict[str, Any], rule: str) -> str:
    """PASS, SKIP (nothing in the document is of the rule's concern), or what the engine says against it."""
    try:
        report = run_checks_rs(json.dumps(document), RULES[rule], False)
    except CfnGuardMissingValue as missing:  # the rule needs the names of resources of which there is none
        return f"FAIL {missing}"
    try:
        found = json.loads(report)
    except ValueError:
        return f"FAIL …{report}"  # only failures make a report too long
    return found["status"] if found["status"] != "FAIL" else f"FAIL {json.dumps(found['not_compliant'])}"


def expanded(path: Path, template: dict[str, Any]) -> dict[str, Any] | None:
    """What SAM makes of the template; None if SAM refuses it, or if it is not for SAM."""
    if SAM not in template.get("Transform", []):
        return None
    template = copy.deepcopy(template)
    for parameter in template["Parameters"].values():
        parameter.pop("Default", None)  # SAM would put it in the place of each reference
    transform = Transform(str(path), template, "us-east-1")
    return transform.template() if transform.transform_template() == [] else None


def forms(path: Path, template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The template as it is written, and as SAM expands it."""
    other = expanded(path, template)
    return {"written": template} | ({"expanded": other} if other else {})


def test_sam_expands_the_template_for_sam() -> None:
    assert "expanded" in forms(CENTRAL, load(CENTRAL))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in TEMPLATES])
@pytest.mark.parametrize("rule", RULES)
def test_every_template_keeps_the_rule(path: Path, rule: str) -> None:
    for form, document in forms(path, load(path)).items():
        found = verdict(document, rule)
        assert found in ("PASS", "SKIP"), f"as {form}: {found}"


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in TEMPLATES])
def test_every_statement_is_where_the_rules_look(path: Path) -> None:
    places = re.compile(
        r"/Properties/(AssumeRolePolicyDocument|PolicyDocument|KeyPolicy|Policies/\d+/PolicyDocument)"
        r"/Statement/\d+(/Fn::If/[12])?"
    )
    found = [place for each in load(path)["Resources"].values() for place in places_of(each, is_statement)]
    assert [place for place in found if not places.fullmatch(place)] == []


# ----------------------------------------------------------------------------------------------------------------------
# Breaking them
# ----------------------------------------------------------------------------------------------------------------------

GONE = object()


def is_statement(node: Any) -> bool:
    return isinstance(node, dict) and "Effect" in node


def places_of(node: Any, wanted: Callable[[Any], bool], place: str = "") -> Iterator[str]:
    """Where in the node the wanted ones are, as paths of keys and indices."""
    if wanted(node):
        yield place
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places_of(child, wanted, f"{place}/{key}")


# Statements of a kind, for paths that begin with one: whatever the policy, and whatever condition it hangs on.
KINDS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "<statement>": lambda each: True,
    "<for a service>": lambda each: each["Effect"] == "Allow" and "Service" in principal(each) and "Condition" in each,
    "<for anybody>": lambda each: each["Effect"] == "Allow" and principal(each).get("AWS") == "*",
    "<of a role>": lambda each: each["Effect"] == "Allow" and "Principal" not in each,
    "<against plain HTTP>": lambda each: each["Effect"] == "Deny",
}


def principal(statement: dict[str, Any]) -> dict[str, Any]:
    given = statement.get("Principal", {})
    return given if isinstance(given, dict) else {"AWS": given}


@dataclass(frozen=True)
class Break:
    """What to do by hand to each resource of a type (a regular expression) so that the rule must be broken.

    but: logical ids that the rule leaves out, for the reason beside it.
    path: where, below the resource; a step may be '*' for each child, and the first a kind of statement (`KINDS`).
    value: what to put there. Where nothing is, nothing is removed; where it is put, the last step need not exist.
    """

    rule: str
    type: str
    path: str
    value: Any = GONE
    but: tuple[str, ...] = ()

    def places(self, resource: dict[str, Any]) -> Iterator[list[str]]:
        """The concrete paths in one resource."""
        kind, _, rest = self.path.partition("/")
        if kind not in KINDS:
            yield from self._matches(resource, self.path.split("/"))
            return
        for place in places_of(resource, lambda node: is_statement(node) and KINDS[kind](node)):
            begin = place.strip("/").split("/")
            below = child(resource, begin)
            yield from (begin + steps for steps in self._matches(below, rest.split("/") if rest else []))

    def _matches(self, node: Any, steps: list[str]) -> Iterator[list[str]]:
        if not steps:
            yield []
            return
        first, rest = steps[0], steps[1:]
        keys = [str(key) for key in (node if isinstance(node, dict) else range(len(node)))]
        if not rest and self.value is not GONE and first != "*":
            yield [first]
            return
        for key in keys if first == "*" else [key for key in keys if key == first]:
            yield from ([key, *tail] for tail in self._matches(child(node, [key]), rest))


def child(node: Any, steps: list[str]) -> Any:
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    return node


BUCKET, BUCKET_POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy"
QUEUE, QUEUE_POLICY = "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"
KEY, LOG_GROUP, ROLE = "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::IAM::Role"
ROLE_OR_POLICY = "AWS::IAM::(Role|RolePolicy)"
FUNCTION = "AWS::(Serverless|Lambda)::Function"
CUSTOM, EVENT_RULE = "Custom::.*", "AWS::Events::Rule"
STATEFUL = "|".join((BUCKET, QUEUE, KEY, LOG_GROUP))
ANY = ".*"
ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {"Ref": "X"}}

BREAKS = [
    # policies.guard
    Break("no_service_principal_without_a_condition", ANY, "<for a service>/Condition"),
    Break("no_service_principal_without_a_condition", ANY, "<for a service>/Condition", {}),
    Break(
        "no_service_principal_without_a_condition",
        ANY,
        "<for a service>/Condition",
        {"Bool": {"aws:SecureTransport": "true"}},
    ),
    Break(
        "no_service_principal_without_a_condition",
        ANY,
        "<for a service>/Condition",
        {"StringLike": {"aws:SourceAccount": "*"}},
    ),
    Break(
        "no_service_principal_without_a_condition",
        ANY,
        "<for a service>/Condition",
        {"StringEqualsIfExists": {"aws:SourceAccount": "111122223333"}},
    ),
    Break(
        "no_service_principal_without_a_condition",
        ANY,
        "<for a service>/Condition",
        {"Fn::If": ["IsX", {"StringEquals": {"aws:SourceAccount": "111122223333"}}, {"Ref": "AWS::NoValue"}]},
    ),
    Break("no_service_principal_without_a_condition", ANY, "<for a service>/Condition/StringEquals/aws:SourceOrgID"),
    Break(
        "no_service_principal_without_a_condition",
        ANY,
        "<for a service>/Condition/Fn::If/1/StringEquals/aws:SourceOrgID",
    ),
    Break(
        "no_service_principal_without_a_condition",
        ANY,
        "<for a service>/Condition/Fn::If/2/StringLike/kms:EncryptionContext:aws:s3:arn",
    ),
    Break("no_anonymous_principal_without_a_condition", ANY, "<for anybody>/Condition"),
    Break("no_anonymous_principal_without_a_condition", ANY, "<for anybody>/Condition/StringEquals"),
    Break("no_anonymous_principal_without_a_condition", ANY, "<for anybody>/Condition/ArnLike"),
    Break(
        "no_anonymous_principal_without_a_condition", BUCKET_POLICY, "Properties/PolicyDocument/Statement/0", ANYBODY
    ),
    Break("no_statement_by_exclusion", ANY, "<statement>/NotAction", ["s3:GetObject"]),
    Break("no_statement_by_exclusion", ANY, "<statement>/NotResource", {"Ref": "X"}),
    Break("no_statement_by_exclusion", ANY, "<statement>/NotPrincipal", "*"),
    Break("no_wildcard_in_the_actions_of_a_role", ROLE_OR_POLICY, "<of a role>/Action", "s3:*"),
    Break("no_wildcard_in_the_actions_of_a_role", ROLE_OR_POLICY, "<of a role>/Action", ["s3:GetObject", "s3:Put*"]),
    Break(
        "no_statement_on_every_resource",
        ROLE_OR_POLICY,
        "<of a role>",
        {"Sid": "New", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
    ),
    Break(
        "no_statement_on_every_resource",
        ROLE_OR_POLICY,
        "<of a role>",
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["*", {"Ref": "X"}]},
    ),
    Break(
        "no_statement_on_every_resource",
        ROLE_OR_POLICY,
        "<of a role>",
        {
            "Sid": "New",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"},
        },
    ),
    Break("no_statement_on_every_resource", BUCKET_POLICY, "<for a service>/Resource", "*"),
    Break("no_function_is_open_to_every_customer_of_a_service", "AWS::Lambda::Permission", "Properties/SourceArn"),
    # roles.guard
    Break("every_role_takes_the_boundary", ROLE, "Properties/PermissionsBoundary"),
    Break("every_role_takes_the_boundary", ROLE, "Properties/PermissionsBoundary", {"Ref": "AWS::NoValue"}),
    Break("every_role_takes_the_path", ROLE, "Properties/Path"),
    Break("every_role_takes_the_path", ROLE, "Properties/Path", "/"),
    Break("no_role_has_a_name_of_its_own", ROLE, "Properties/RoleName", "patch-reporting"),
    Break(
        "no_role_takes_a_managed_policy",
        ROLE,
        "Properties/ManagedPolicyArns",
        [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/x"}],
    ),
    # storage.guard
    Break("every_bucket_is_encrypted", BUCKET, "Properties/BucketEncryption"),
    Break("no_bucket_is_public", BUCKET, "Properties/PublicAccessBlockConfiguration"),
    Break("no_bucket_is_public", BUCKET, "Properties/PublicAccessBlockConfiguration/*"),
    Break("no_bucket_is_public", BUCKET, "Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", False),
    Break("every_bucket_owns_its_objects", BUCKET, "Properties/OwnershipControls"),
    Break(
        "every_bucket_owns_its_objects", BUCKET, "Properties/OwnershipControls/Rules/0/ObjectOwnership", "ObjectWriter"
    ),
    Break("every_bucket_owns_its_objects", BUCKET, "Properties/AccessControl", "Private"),
    Break("every_bucket_refuses_plain_http", BUCKET_POLICY, ""),
    Break("every_bucket_refuses_plain_http", BUCKET_POLICY, "Properties/Bucket", {"Ref": "X"}),
    Break("every_bucket_refuses_plain_http", BUCKET_POLICY, "<against plain HTTP>/Effect", "Allow"),
    Break("every_bucket_refuses_plain_http", BUCKET_POLICY, "<against plain HTTP>/Condition"),
    Break(
        "every_bucket_refuses_plain_http",
        BUCKET_POLICY,
        "<against plain HTTP>/Condition/Bool/aws:SecureTransport",
        "true",
    ),
    Break("every_bucket_refuses_plain_http", BUCKET_POLICY, "<against plain HTTP>/Action", "s3:GetObject"),
    Break(
        "every_bucket_refuses_plain_http",
        BUCKET_POLICY,
        "<against plain HTTP>/Principal",
        {"Service": "ssm.amazonaws.com"},
    ),
    Break("every_bucket_refuses_plain_http", BUCKET_POLICY, "<against plain HTTP>/Resource/*"),
    Break("every_queue_is_encrypted", QUEUE, "Properties/SqsManagedSseEnabled"),
    Break("every_queue_refuses_plain_http", QUEUE_POLICY, ""),
    Break("every_queue_refuses_plain_http", QUEUE_POLICY, "<against plain HTTP>/Condition"),
    Break("every_queue_refuses_plain_http", QUEUE_POLICY, "<against plain HTTP>/Action", "sqs:SendMessage"),
    Break("every_log_group_forgets", LOG_GROUP, "Properties/RetentionInDays"),
    Break("every_key_is_rotated", KEY, "Properties/EnableKeyRotation"),
    Break("every_key_is_rotated", KEY, "Properties/EnableKeyRotation", False),
    Break("every_stateful_resource_says_what_becomes_of_it", STATEFUL, "DeletionPolicy"),
    Break("every_stateful_resource_says_what_becomes_of_it", STATEFUL, "UpdateReplacePolicy"),
    Break("an_update_keeps_data", f"{BUCKET}|{KEY}", "UpdateReplacePolicy", "Delete", but=("CodeBucket",)),
    # functions.guard
    Break("every_function_has_a_role_of_its_own", FUNCTION, "Properties/Role"),
    Break(
        "every_function_has_a_role_of_its_own", FUNCTION, "Properties/Role", {"Fn::GetAtt": ["GlueCrawlerRole", "Arn"]}
    ),
    Break("every_function_has_a_log_group_of_its_own", FUNCTION, "Properties/LoggingConfig"),
    Break("every_function_has_a_log_group_of_its_own", FUNCTION, "Properties/LoggingConfig/LogGroup", "/aws/lambda/x"),
    Break("every_function_has_a_log_group_of_its_own", LOG_GROUP, ""),
    Break("every_function_says_how_often_it_is_tried_again", FUNCTION, "Properties/EventInvokeConfig"),
    Break("every_function_says_how_often_it_is_tried_again", FUNCTION, "Properties/EventInvokeConfig/*"),
    Break("every_function_says_how_often_it_is_tried_again", "AWS::Lambda::EventInvokeConfig", ""),
    Break(
        "every_function_says_how_often_it_is_tried_again",
        "AWS::Lambda::EventInvokeConfig",
        "Properties/MaximumRetryAttempts",
    ),
    Break(
        "every_function_says_how_often_it_is_tried_again",
        "AWS::Lambda::EventInvokeConfig",
        "Properties/MaximumEventAgeInSeconds",
    ),
    Break("every_custom_resource_is_bounded_and_outlived", CUSTOM, "Properties/ServiceTimeout"),
    Break("every_custom_resource_is_bounded_and_outlived", CUSTOM, "Properties/ServiceTimeout", 7200),
    Break("every_custom_resource_is_bounded_and_outlived", CUSTOM, "DependsOn"),
    Break("every_custom_resource_is_bounded_and_outlived", CUSTOM, "DependsOn/*"),
    Break("every_target_of_a_rule_keeps_what_it_cannot_deliver", EVENT_RULE, "Properties/Targets/0/RetryPolicy"),
    Break("every_target_of_a_rule_keeps_what_it_cannot_deliver", EVENT_RULE, "Properties/Targets/0/RetryPolicy/*"),
    Break("every_target_of_a_rule_keeps_what_it_cannot_deliver", EVENT_RULE, "Properties/Targets/0/DeadLetterConfig"),
    Break("every_rule_says_what_it_listens_to", EVENT_RULE, "Properties/EventPattern/*"),
]


@dataclass(frozen=True)
class Case:
    """One `Break` of one resource of one template."""

    path: Path
    resource: str
    place: tuple[str, ...]
    made: Break

    def broken(self) -> dict[str, Any]:
        """The template, with this one thing done to it."""
        template = copy.deepcopy(load(self.path))
        *way, last = (self.resource, *self.place)
        parent = child(template["Resources"], way)
        key: Any = int(last) if isinstance(parent, list) else last
        if self.made.value is GONE:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(self.made.value)
        return template

    def __str__(self) -> str:
        value = "" if self.made.value is GONE else f" = {json.dumps(self.made.value)}"
        return f"{self.path.stem}: {'/'.join((self.resource, *self.place))}{value}"


def cases_of(made: Break) -> list[Case]:
    return [
        Case(path, name, tuple(place), made)
        for path in TEMPLATES
        for name, resource in load(path)["Resources"].items()
        if re.fullmatch(made.type, resource["Type"]) and name not in made.but
        for place in (made.places(resource) if made.path else [[]])
    ]


@pytest.mark.parametrize(
    "made",
    [pytest.param(made, id=f"{made.rule}-{number}") for number, made in enumerate(BREAKS)],
)
def test_breaking_a_rule_anywhere_is_seen(made: Break) -> None:
    cases = cases_of(made)
    assert cases, "there is no such thing in any template"
    unseen = [
        f"{case} (as {form})"
        for case in cases
        for form, document in forms(case.path, case.broken()).items()
        if not verdict(document, made.rule).startswith("FAIL")
    ]
    assert unseen == []


def test_every_rule_is_broken_by_hand_somewhere() -> None:
    assert {made.rule for made in BREAKS} == RULES.keys()


# ----------------------------------------------------------------------------------------------------------------------
# What Guard does not see
# ----------------------------------------------------------------------------------------------------------------------


def literal_partitions(document: Any) -> list[str]:
    """Every string of the template that spells a partition out, which would be wrong in GovCloud or China."""
    partition = re.compile(r"\barn:aws[a-z-]*:|\.amazonaws\.com\.cn\b")
    return [node for node in walk(document) if isinstance(node, str) and partition.search(node)]


def open_sids() -> set[str]:
    """The statements that the rules let pass by their Sid."""
    (text,) = [text for name, text in RULES.items() if name == "no_statement_on_every_resource"]
    lists = re.findall(r"let (?:unconditioned|unbounded) = \[(.*?)\]", re.sub(r"#.*", "", text), re.DOTALL)
    return {sid for each in lists for sid in re.findall(r'"(\w+)"', each)}


def without_reason(text: str) -> list[str]:
    """The lines of the template that open something wide and have no comment on the line above them.

    They are each statement that the rules let pass by its Sid, where the comment may also stand above its Resource, and
    each Resource that is everything.
    """
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        wide = re.match(r"""\s*(- )?Resource: ['"]?\*['"]?\s*$|\s*- ['"]\*['"]\s*$""", line)
        sid = re.match(r"\s*- Sid: (\w+)", line)
        if wide and not lines[number - 1].strip().startswith("#"):
            found.append(line.strip())
        elif sid and sid[1] in open_sids():
            statement = [line]
            for following in lines[number + 1 :]:
                if not following.strip() or re.match(r"\s*- (Sid:|!If)", following) or following[:1].strip():
                    break
                statement.append(following)
            if not lines[number - 1].strip().startswith("#") and not any(
                each.strip().startswith("#") for each in statement
            ):
                found.append(line.strip())
    return found


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in TEMPLATES])
def test_no_string_spells_a_partition_out(path: Path) -> None:
    assert literal_partitions(load(path)) == []
    assert literal_partitions({**load(path), "Outputs": {"X": {"Value": {"Fn::Sub": "arn:aws:s3:::x"}}}}) == [
        "arn:aws:s3:::x"
    ]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in TEMPLATES])
def test_what_is_wide_has_its_reason_beside_it(path: Path) -> None:
    text = path.read_text()
    assert without_reason(text) == []
    # Without the comments nothing has a reason any more.
    bare = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
    wide = len(re.findall(r"""Resource: ['"]?\*|^\s*- ['"]\*['"]$""", text, re.MULTILINE))
    sids = [sid for sid in re.findall(r"- Sid: (\w+)", text) if sid in open_sids()]
    assert len(without_reason(bare)) == wide + len(sids)


def test_the_rules_let_nothing_pass_that_is_in_no_template() -> None:
    written = {sid for path in TEMPLATES for sid in re.findall(r"- Sid: (\w+)", path.read_text())}
    assert open_sids() - written == set()
    assert open_sids()
