"""AWS's query protocol, by botocore's models: form parameters to a request's members, and an answer's members to XML.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def decode(operation: OperationModel, form: Mapping[str, list[str]]) -> dict[str, Any]:
    """The request's members, with their types; what the model does not know is left out.

    An integer that is none stays text, for `validation` to find. An empty list is sent as ``Tags=``.
    """
    values = {name: given[0] if isinstance(given, list) else given for name, given in form.items()}
    shape = operation.input_shape
    return _decode_structure(shape, values, "") if isinstance(shape, StructureShape) else {}


def _decode_structure(shape: StructureShape, values: Mapping[str, str], prefix: str) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        key = f"{prefix}{member.serialization.get('name', name)}"
        if key in values or any(each.startswith(f"{key}.") for each in values):
            found[name] = _decode(member, values, key)
    return found


def _decode(shape: Shape, values: Mapping[str, str], key: str) -> Any:
    if isinstance(shape, StructureShape):
        return _decode_structure(shape, values, f"{key}.")
    if isinstance(shape, ListShape):
        items, number = [], 1
        while any(each == f"{key}.member.{number}" or each.startswith(f"{key}.member.{number}.") for each in values):
            items.append(_decode(shape.member, values, f"{key}.member.{number}"))
            number += 1
        return items
    value = values[key]
    if shape.type_name in ("integer", "long") and value.removeprefix("-").isdecimal():
        return int(value)
    return value == "true" if shape.type_name == "boolean" else value


def encode(operation: OperationModel, answer: Mapping[str, Any]) -> str:
    """The XML inside of the response's root element: the result with the answer's members."""
    shape = operation.output_shape
    if shape is None:
        return ""
    wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
    return f"<{wrapper}>{_encode(shape, answer)}</{wrapper}>"


def _encode(shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        members = ((name, shape.members[name], each) for name, each in value.items() if each is not None)
        return "".join(f"<{name}>{_encode(member, each)}</{name}>" for name, member, each in members)
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_encode(shape.member, each)}</member>" for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else escape(str(value))
