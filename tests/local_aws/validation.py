"""Request validation as AWS's JSON services do it, from the service models that botocore ships.

Every constraint that the model states (required members, lengths, ranges, patterns, enumerations) is checked before a
request is looked at any further, and all violations are reported together:

    1 validation error detected: Value '' at 's3Destination.prefix' failed to satisfy constraint: Member must have
    length greater than or equal to 1
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "timestamp": (int, float),  # seconds since 1970, as services with REST and JSON have them
    "boolean": (bool,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}


class SerializationError(ValueError):
    """A member of the request has another JSON type than the model says (AWS: ``SerializationException``)."""


def violation(service: str, operation: str, request: dict[str, Any]) -> str | None:
    """The message of the ``ValidationException`` that AWS answers the request with, or None if it is valid.

    Raises:
        SerializationError: a value's type is wrong, which AWS notices while reading, before it validates.
    """
    found = list(_violations(_model(service).operation_model(operation).input_shape, request, ""))
    if not found:
        return None
    errors = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {errors} detected: {'; '.join(found)}"


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.Session().get_service_model(service)


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    # bool is an int to Python, not to JSON.
    if type(value) not in _PYTHON_TYPES[kind]:
        raise SerializationError(f"{path or 'the request'} is not a JSON {kind}")
    if kind == "structure":
        for name, member in shape.members.items():
            member_path = f"{path}.{_lower_first(name)}".lstrip(".")
            if value.get(name) is not None:
                yield from _violations(member, value[name], member_path)
            elif name in shape.required_members:
                yield f"Value null at '{member_path}' failed to satisfy constraint: Member must not be null"
        return
    for constraint in _broken_constraints(shape, value):
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"
    if kind == "list":
        for number, item in enumerate(value, start=1):
            yield from _violations(shape.member, item, f"{path}.{number}.member")
    if kind == "map":
        for key, item in value.items():
            if broken := [f"Member must {constraint}" for constraint in _broken_constraints(shape.key, key)]:
                constraint = f"Map keys must satisfy constraint: [{', '.join(broken)}]"
                yield f"Value '{key}' at '{path}' failed to satisfy constraint: {constraint}"
            yield from _violations(shape.value, item, f"{path}.{key}.member")


def _broken_constraints(shape: Shape, value: Any) -> Iterator[str]:
    limits = shape.metadata
    sized = shape.type_name in ("string", "list", "map")
    size, noun = (len(value), "length") if sized else (value, "value")
    if "min" in limits and size < limits["min"]:
        yield f"have {noun} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"have {noun} less than or equal to {limits['max']}"
    if "pattern" in limits and not matches(limits["pattern"], value):
        yield f"satisfy regular expression pattern: {limits['pattern']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value is of a model's pattern, which are meant to be anchored even where they are not."""
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    # The models write characters beyond U+FFFF as Java does, in pairs.
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    try:
        return re.compile(pattern)
    except re.error:  # classes of Unicode (\p{L}), for tags and secrets only
        return None


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]
