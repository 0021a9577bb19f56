"""cfn/quicksight.yaml as CloudFormation deploys it: its parameters, conditions and mappings worked out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from templates import CFN, load

QUICKSIGHT = CFN / "quicksight.yaml"

# What the pseudo parameters stand for.
ENVIRONMENT = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/patch-reporting-quicksight/"
    "1a2b3c4d-0a1b-11ee-9c2d-0123456789ab",
    "AWS::StackName": "patch-reporting-quicksight",
    "AWS::URLSuffix": "amazonaws.com",
}

# For the parameters that have no default.
PARAMETERS = {
    "GlueDatabaseName": "managed_instances",
    "AthenaWorkGroupName": "patch-reporting",
    "ResourceDataSyncBucketName": "ssm-resource-sync-us-east-1-111122223333",
    "AthenaQueryResultsBucket": "arn:aws:s3:::ssm-query-results-us-east-1-111122223333",
    "KMSKeyArn": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "QuickSightOwner": "Administrator/jane@example.com",
}

# The types of QuickSight's resources: the property that names one, and what its ARN has before that name.
NAMES = {
    "AWS::QuickSight::Analysis": ("AnalysisId", "analysis"),
    "AWS::QuickSight::Dashboard": ("DashboardId", "dashboard"),
    "AWS::QuickSight::DataSet": ("DataSetId", "dataset"),
    "AWS::QuickSight::DataSource": ("DataSourceId", "datasource"),
    "AWS::QuickSight::Theme": ("ThemeId", "theme"),
}

_NOTHING = object()


class Deployed:
    """The template with some parameters' values, those without a value taken from their defaults or from PARAMETERS.

    Raises KeyError for a name that the template does not know, ValueError for a function that is not known here.
    """

    def __init__(self, parameters: Mapping[str, str] | None = None, path: Path = QUICKSIGHT) -> None:
        self._template = load(path)
        declared = self._template["Parameters"]
        if strangers := set(parameters or ()) - declared.keys():
            raise KeyError(f"no parameters of {path.name}: {', '.join(sorted(strangers))}")
        defaults = {name: str(each["Default"]) for name, each in declared.items() if "Default" in each}
        self._values = ENVIRONMENT | PARAMETERS | defaults | dict(parameters or {})

    def resources(self, *types: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources that are made, by logical id; all of these types, or all there are."""
        return {
            name: self.resolve(each.get("Properties", {}))
            for name, each in self._template["Resources"].items()
            if (not types or each["Type"] in types)
            and ("Condition" not in each or self._holds({"Condition": each["Condition"]}))
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """The properties of one resource."""
        return self.resolve(self._template["Resources"][logical_id]["Properties"])

    def arn(self, logical_id: str) -> str:
        """What Fn::GetAtt gives as a resource's Arn."""
        resource = self._template["Resources"][logical_id]
        account = self._values["AWS::AccountId"]
        if resource["Type"] == "AWS::IAM::Role":
            return f"arn:aws:iam::{account}:role/{logical_id}"
        member, kind = NAMES[resource["Type"]]
        name = self.resolve(resource["Properties"][member])
        return f"arn:aws:quicksight:{self._values['AWS::Region']}:{account}:{kind}/{name}"

    def resolve(self, value: Any) -> Any:
        """A value of the template as plain data, without what AWS::NoValue takes away."""
        if isinstance(value, list):
            return [each for each in map(self.resolve, value) if each is not _NOTHING]
        if not isinstance(value, dict):
            return str(value) if isinstance(value, str) else value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        resolved = {str(name): self.resolve(each) for name, each in value.items()}
        return {name: each for name, each in resolved.items() if each is not _NOTHING}

    def _call(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            return _NOTHING if argument == "AWS::NoValue" else self._values[argument]
        if name == "Fn::GetAtt":
            logical_id, attribute = argument.split(".") if isinstance(argument, str) else argument
            if attribute == "Arn":
                return self.arn(logical_id)
        if name == "Fn::FindInMap":
            mapping, first, second = argument
            return str(self._template["Mappings"][mapping][first][second])
        if name == "Fn::If":
            condition, then, otherwise = argument
            return self.resolve(then if self._holds({"Condition": condition}) else otherwise)
        if name == "Fn::Select":
            index, values = argument
            return self.resolve(values)[int(index)]
        if name == "Fn::Split":
            separator, text = argument
            return self.resolve(text).split(separator)
        if name == "Fn::Sub":
            text, variables = argument if isinstance(argument, list) else (argument, {})
            known = self._values | {str(name): self.resolve(each) for name, each in variables.items()}
            # What is put in is not looked at again.
            return re.sub(r"\$\{([^}]+)\}", lambda match: known[match[1]], text)
        raise ValueError(f"not known here: {name} of {argument}")

    def _holds(self, condition: dict[str, Any]) -> bool:
        ((name, argument),) = condition.items()
        if name == "Condition":
            return self._holds(self._template["Conditions"][argument])
        if name == "Fn::Not":
            return not self._holds(argument[0])
        if name == "Fn::Equals":
            left, right = map(self.resolve, argument)
            return left == right
        raise ValueError(f"not known here: {name} of {argument}")
