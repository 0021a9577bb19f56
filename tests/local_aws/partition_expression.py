"""Boolean expressions over partition values, in three-valued logic.

The grammar is that of Glue's GetPartitions (``Expression``): ``=``, ``<>``, ``<``, ``<=``, ``>``, ``>=``, ``AND``,
``OR``, ``NOT``, ``IN``, ``BETWEEN``, ``LIKE``, ``IS NULL`` and parentheses, between partition keys and literals:
https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
Athena prunes partitions by the same predicates in a query's WHERE clause.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_COMPARISONS: dict[type[exp.Expression], Callable] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}

# Glue's types whose values compare as numbers; all others compare as text.
_INTEGERS = frozenset({"tinyint", "smallint", "int", "integer", "bigint", "long"})


class UnsupportedExpressionError(ValueError):
    """The expression has a part that is outside the grammar, or names something that is no partition key."""


def parse(text: str) -> exp.Expression:
    """The expression's tree. Raises UnsupportedExpressionError for what is no expression."""
    try:
        return sqlglot.condition(text, dialect="athena")
    except SqlglotError as error:
        raise UnsupportedExpressionError(text) from error


def holds(condition: exp.Expression, values: Mapping[str, str], types: Mapping[str, str]) -> bool | None:
    """Whether the condition is true of one partition; None is SQL's unknown, as for a comparison with NULL.

    ``values`` and ``types`` map each partition key, in lower case, to the partition's value and the key's Glue type.
    Raises UnsupportedExpressionError.
    """
    decide = functools.partial(holds, values=values, types=types)
    term = functools.partial(_term, values=values, types=types)
    match condition:
        case exp.Paren():
            return decide(condition.this)
        case exp.Not():
            inner = decide(condition.this)
            return None if inner is None else not inner
        case exp.And():
            return _all(decide(condition.left), decide(condition.right))
        case exp.Or():
            return _any(decide(condition.left), decide(condition.right))
        case exp.In() if not condition.args.get("query"):
            return _any(*(_compare(operator.eq, term(condition.this), term(each)) for each in condition.expressions))
        case exp.Between():
            value, low, high = (term(condition.args[part]) for part in ("this", "low", "high"))
            return _all(_compare(operator.ge, value, low), _compare(operator.le, value, high))
        case exp.Like():
            return _compare(_like, term(condition.this), term(condition.expression))
        case exp.Is() if isinstance(condition.expression, exp.Null):
            return term(condition.this) is None
        case exp.Boolean():
            return condition.this
        case _ if type(condition) in _COMPARISONS:
            return _compare(_COMPARISONS[type(condition)], term(condition.this), term(condition.expression))
    raise UnsupportedExpressionError(condition.sql("athena"))


def _term(node: exp.Expression, values: Mapping[str, str], types: Mapping[str, str]) -> str | int | None:
    if isinstance(node, exp.Column) and node.name.lower() in values:
        name = node.name.lower()
        return _number(values[name], node) if types.get(name) in _INTEGERS else values[name]
    if isinstance(node, exp.Literal):
        return node.this if node.is_string else _number(node.this, node)
    if isinstance(node, exp.Null):
        return None
    raise UnsupportedExpressionError(node.sql("athena"))


def _number(text: str, node: exp.Expression) -> int:
    try:
        return int(text)
    except ValueError:
        raise UnsupportedExpressionError(node.sql("athena")) from None


def _compare(test: Callable, left: str | int | None, right: str | int | None) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, str) != isinstance(right, str):
        # Glue compares a number with a string key by the number's spelling.
        left, right = str(left), str(right)
    return test(left, right)


def _all(*truths: bool | None) -> bool | None:
    return False if False in truths else None if None in truths else True


def _any(*truths: bool | None) -> bool | None:
    return True if True in truths else None if None in truths else False


def _like(value: str, pattern: str) -> bool:
    regex = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(regex, value, re.DOTALL) is not None
