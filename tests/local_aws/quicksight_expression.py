"""QuickSight's expressions for calculated fields: which columns they read, and whether they hold together.

https://docs.aws.amazon.com/quicksight/latest/user/calculated-field-reference.html

An expression is read as far as needed to say whether its functions are known, its brackets match, its columns exist,
and whether it aggregates. One that does may read a column only inside of an aggregation
(https://docs.aws.amazon.com/quicksight/latest/user/calculated-field-syntax.html), and has no aggregation inside of
another, level-aware ones aside, which are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# https://docs.aws.amazon.com/quicksight/latest/user/functions-by-category.html
_AGGREGATIONS = """
avg avgIf count countIf distinct_count distinct_countIf max maxIf median medianIf min minIf mode percentile
percentileCont percentileDisc stdev stdevIf stdevp stdevpIf sum sumIf var varIf varp varpIf
"""
_OTHERS = """
abs acos addDateTime addWorkDays asin atan case cast ceil coalesce concat contains cos cot dateDiff decimalToInt
endsWith epochDate exp extract floor formatDate ifelse in intToDecimal isNotNull isNull isWorkDay left ln locate log
ltrim mod netWorkDays notIn now nullIf parseDate parseDecimal parseInt parseJson replace right round rtrim sin split
sqrt startsWith strlen substring switch tan toLower toString toUpper trim truncDate
"""
AGGREGATIONS = frozenset(_AGGREGATIONS.split())
FUNCTIONS = AGGREGATIONS | frozenset(_OTHERS.split())
_WORDS = frozenset({"and", "or", "not", "null", "true", "false"})
_UNITS = frozenset({"YYYY", "Q", "MM", "DD", "WK", "WD", "HH", "MI", "SS", "MS"})

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<column>\{[^{}]+\})
    |(?P<parameter>\$\{[A-Za-z0-9]+\})
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<bracket>[()])
    |(?P<operator><>|!=|<=|>=|[-+*/%^=<>,])""",
    re.VERBOSE,
)


@dataclass
class Expression:
    """What an expression says: the columns and parameters it reads, whether it aggregates, and what is wrong in it."""

    columns: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    aggregates: bool = False
    problems: list[str] = field(default_factory=list)
    # The columns that are read outside of every aggregation.
    outside: list[str] = field(default_factory=list)


def read(text: str) -> Expression:
    """The expression, whatever is wrong in it."""
    found = Expression()
    brackets: list[str] = []  # the function that each open bracket belongs to, "" for none
    name, position = "", 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            found.problems.append(f"can't be read from {text[position : position + 20]!r} on")
            return found
        position = token.end()
        kind, value = token.lastgroup, token[0]
        if kind == "space":
            continue
        if name and value != "(":
            _word(found, name)
        if value == "(":
            brackets.append(name)
            _call(found, name, brackets[:-1])
        elif value == ")":
            if not brackets:
                found.problems.append("has a ')' too many")
                return found
            brackets.pop()
        elif kind == "column":
            found.columns.append(value[1:-1])
            if not AGGREGATIONS & set(brackets):
                found.outside.append(value[1:-1])
        elif kind == "parameter":
            found.parameters.append(value[2:-1])
        name = value if kind == "name" else ""
    if name:
        _word(found, name)
    if brackets:
        found.problems.append("lacks a ')'")
    if not text.strip():
        found.problems.append("is empty")
    return found


def _word(found: Expression, name: str) -> None:
    """A name that no bracket follows: a word of the language, or a column without braces, which needs no space."""
    if name.lower() not in _WORDS and name not in _UNITS:
        found.columns.append(name)
        found.outside.append(name)


def _call(found: Expression, name: str, around: list[str]) -> None:
    if not name or name.lower() in _WORDS:
        return
    if name not in FUNCTIONS:
        found.problems.append(f"calls {name}, which is no function that is known here")
    if name in AGGREGATIONS:
        found.aggregates = True
        if AGGREGATIONS & set(around):
            found.problems.append(f"has the aggregation {name} inside of another")


def field_types(columns: Mapping[str, str], fields: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The type of each calculated field of a data set, by its name, and what is wrong with them.

    ``columns`` has the types of the data set's columns, ``fields`` the expressions. A field that aggregates is
    AGGREGATED; of the others the type is not known here, which is "".
    """
    read_fields = {name: read(text) for name, text in fields.items()}
    problems = []
    types: dict[str, str] = {}

    def aggregates(name: str, seen: tuple[str, ...] = ()) -> bool:
        expression = read_fields.get(name)
        if expression is None or name in columns or name in seen:
            return False
        return expression.aggregates or any(aggregates(each, (*seen, name)) for each in expression.columns)

    for name, expression in read_fields.items():
        problems += [f"The calculated field '{name}' {problem}" for problem in expression.problems]
        unknown = [each for each in expression.columns if each not in columns and each not in fields]
        problems += [f"The calculated field '{name}' reads '{each}', which is not there" for each in unknown]
        types[name] = "AGGREGATED" if aggregates(name) else ""
        if types[name] == "AGGREGATED":
            mixed = [each for each in expression.outside if each not in unknown and not aggregates(each)]
            problems += [f"The calculated field '{name}' reads '{each}' outside of its aggregation" for each in mixed]
            nested = [each for each in expression.columns if aggregates(each) and each not in expression.outside]
            problems += [f"The calculated field '{name}' aggregates '{each}', which aggregates" for each in nested]
    return types, problems
