"""Calls AWS's API and judges its answers by botocore's service models, which are AWS's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator


def call(client: Any, operation: str, **request: Any) -> dict[str, Any]:
    """The answer of an operation, named as in the API; fails unless it is of the form that the model has."""
    method = next(python for python, api in client.meta.method_to_api_mapping.items() if api == operation)
    answer = getattr(client, method)(**request)
    found = problems(client, operation, answer)
    assert not found, f"{operation}: {found}"
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def problems(client: Any, operation: str, answer: dict[str, Any]) -> list[str]:
    """What is wrong with a parsed answer: members missing or of another type, and values outside of their enums."""
    shape = client.meta.service_model.operation_model(operation).output_shape
    content = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    if shape is None:
        return [f"unexpected members: {sorted(content)}"] if content else []
    report = ParamValidator().validate(content, shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + list(_enum_problems(shape, content))


def members(value: Any, path: str = "") -> set[str]:
    """The paths of all members in an answer, whatever their values."""
    if isinstance(value, dict):
        return {path, *(each for name, inner in value.items() for each in members(inner, f"{path}.{name}"))}
    if isinstance(value, list):
        return {path, *(each for inner in value for each in members(inner, f"{path}[]"))}
    return {path}


def _enum_problems(shape: Shape, value: Any) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, each in value.items():
            yield from _enum_problems(shape.members[name], each)
    elif isinstance(shape, ListShape):
        for each in value:
            yield from _enum_problems(shape.member, each)
    elif isinstance(shape, MapShape):
        for each in value.values():
            yield from _enum_problems(shape.value, each)
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"{value!r} is none of {shape.name}"
