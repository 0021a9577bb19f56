"""Which partitions a query demands of each table that it reads.

Athena reads a partition only if the query's conditions on the partition keys leave it in. A condition need not stand
beside the table. As Trino does with predicates (https://trino.io/docs/current/optimizer/pushdown.html), it is followed

- into subqueries and WITH clauses, through columns that they pass on as they are, and not past a LIMIT, a window that
  is not partitioned by the column, or an aggregation that does not group by it;
- along the equalities of joins: with ``a.accountid = b.accountid`` a condition on the one is one on the other, which in
  an outer join goes from the side that keeps its rows to the other alone.

A WITH clause is read once for each place that names it. Conditions that come only from the data (the values that the
other side of a join turns out to have, or an IN over a subquery) prune nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from local_aws import partition_expression
from local_aws.partition_expression import UnsupportedExpressionError

# What is neither true nor false of a NULL, so that no row with a NULL passes.
_UNKNOWN_OF_NULL = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like, exp.In, exp.Between)


@dataclass(frozen=True)
class TableName:
    """A table that a query names."""

    database: str
    table: str


@dataclass(frozen=True)
class Read:
    """One place where a query reads a table, and what it demands of the partitions."""

    table: TableName
    conditions: list[exp.Expression]

    def may_hold(self, values: dict[str, str], types: dict[str, str]) -> bool:
        """Whether a partition can have rows for the query; False is what Athena calls pruned."""
        for condition in self.conditions:
            try:
                if partition_expression.holds(condition, values, types) is not True:
                    return False
            except UnsupportedExpressionError:
                continue
        return True


def reads(tree: exp.Expression) -> list[Read]:
    """Every place where a query reads a table. The query's names have been qualified."""
    scope = build_scope(tree)
    return list(_reads(scope, [], ())) if scope is not None else []


def _reads(scope: Scope, demands: list[exp.Expression], within: tuple[Scope, ...]) -> Iterator[Read]:
    """The reads of a scope of whose rows only those are used that meet the demands, which name its own columns."""
    if scope in within:
        return  # A recursive WITH names itself; what it reads is read once.
    within = (*within, scope)
    for subquery in scope.subquery_scopes:
        yield from _reads(subquery, [], within)
    if scope.set_operation_scopes:
        names = [projection.alias_or_name for projection in scope.expression.selects]
        for branch in scope.set_operation_scopes:
            own = [projection.alias_or_name for projection in branch.expression.selects]
            renamed = dict(zip(names, own, strict=False))
            yield from _reads(branch, list(_each_renamed(demands, renamed)), within)
        return
    conditions = _Conditions(scope, demands)
    for alias, (_, source) in scope.selected_sources.items():
        if isinstance(source, exp.Table):
            yield Read(TableName(source.db, source.name), conditions.of(alias))
        else:
            yield from _reads(source, conditions.of(alias), within)


def _each_renamed(demands: list[exp.Expression], names: dict[str, str]) -> Iterator[exp.Expression]:
    for demand in demands:
        yield _replaced(demand, lambda column: exp.column(names.get(column.name, column.name), quoted=True))


@dataclass(frozen=True)
class _Join:
    """A JOIN: what it adds to the sources before it, and its ON."""

    alias: str
    before: frozenset[str]
    side: str
    conjuncts: list[exp.Expression]

    def keeps_only_matches(self, refused: set[str]) -> bool:
        """Whether it is an inner join, if only by conditions that refuse the rows of NULLs of some sources."""
        match self.side:
            case "LEFT":
                return self.alias in refused
            case "RIGHT":
                return bool(self.before & refused)
        return not self.side


class _Conditions:
    """What a SELECT demands of the rows of each of its sources."""

    def __init__(self, scope: Scope, demands: list[exp.Expression]) -> None:
        self._found: dict[str, list[exp.Expression]] = {alias: [] for alias in scope.selected_sources}
        # (from, to): what holds of the columns of the first holds of those of the second.
        self._equal: dict[tuple[str, str], dict[str, str]] = {}
        select = scope.expression
        where = select.args.get("where")
        everywhere = [*_conjuncts(where.this if where else None), *_passed_down(select, demands)]
        outer = list(_joins(select))
        # A condition that refuses a row of NULLs makes an outer join an inner one, whose ON may do the same to another.
        while inner := [join for join in outer if join.keeps_only_matches(set().union(*map(_refused, everywhere)))]:
            outer = [join for join in outer if join not in inner]
            everywhere += [conjunct for join in inner for conjunct in join.conjuncts]
        own: list[tuple[str, exp.Expression]] = []
        # The sources of which an outer join makes rows of NULLs.
        nullable: set[str] = set()
        for join in outer:
            kept, filled = (set(join.before), {join.alias}) if join.side == "LEFT" else ({join.alias}, set(join.before))
            nullable |= filled
            if join.side == "FULL":
                nullable |= kept
                continue
            for conjunct in join.conjuncts:
                self._equate(conjunct, kept, filled)
                if len(tables := _tables(conjunct)) == 1 and tables <= filled:
                    own.append((*tables, conjunct))
        for conjunct in everywhere:
            conjunct = _without_coalesce(conjunct, nullable)
            self._equate(conjunct, self._found.keys(), self._found.keys())
            if len(tables := _tables(conjunct)) == 1 and (not tables & nullable or _refused(conjunct)):
                own.append((*tables, conjunct))
        self._follow(own)

    def of(self, alias: str) -> list[exp.Expression]:
        """The conditions on one source, whose columns they name without its alias."""
        return self._found[alias]

    def _equate(self, conjunct: exp.Expression, kept: Collection[str], filled: Collection[str]) -> None:
        """Note that what holds of a column of a source that is kept holds of the equal column of one that is filled."""
        if not isinstance(conjunct, exp.EQ):
            return
        left, right = conjunct.left, conjunct.right
        if isinstance(left, exp.Column) and isinstance(right, exp.Column) and left.table != right.table:
            for one, other in ((left, right), (right, left)):
                if one.table in kept and other.table in filled:
                    self._equal.setdefault((one.table, other.table), {})[one.name] = other.name

    def _follow(self, todo: list[tuple[str, exp.Expression]]) -> None:
        """Note each condition with its source, and with every source that an equality takes it to."""
        seen: set[tuple[str, str]] = set()
        while todo:
            alias, condition = todo.pop()
            key = (alias, condition.sql())
            if key in seen or alias not in self._found:
                continue
            seen.add(key)
            self._found[alias].append(_replaced(condition, lambda column: exp.column(column.name, quoted=True)))
            names = {column.name for column in condition.find_all(exp.Column)}
            for (one, other), columns in self._equal.items():
                if one == alias and names <= columns.keys():

                    def renamed(column: exp.Column, other=other, columns=columns) -> exp.Expression:
                        return exp.column(columns[column.name], other, quoted=True)

                    todo.append((other, _replaced(condition, renamed)))


def _joins(select: exp.Expression) -> Iterator[_Join]:
    first = select.args.get("from_")
    before = frozenset() if first is None else frozenset({first.this.alias_or_name})
    for join in select.args.get("joins") or []:
        yield _Join(join.alias_or_name, before, join.side, list(_conjuncts(join.args.get("on"))))
        before |= {join.alias_or_name}


def _without_coalesce(condition: exp.Expression, nullable: set[str]) -> exp.Expression:
    """The condition with the first of two columns in place of what JOIN … USING makes of them."""

    def first(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Coalesce) or not isinstance(node.this, exp.Column) or node.this.table in nullable:
            return node
        alike = all(isinstance(each, exp.Column) and each.name == node.this.name for each in node.expressions)
        return node.this.copy() if alike else node

    return condition.transform(first)


def _passed_down(select: exp.Expression, demands: list[exp.Expression]) -> Iterator[exp.Expression]:
    """The demands on a SELECT's columns as conditions on the columns of its sources, where they can be such."""
    if select.args.get("limit") or select.args.get("offset"):
        return
    passed = {
        projection.alias_or_name: projection.unalias()
        for projection in select.selects
        if isinstance(projection.unalias(), (exp.Column, exp.Literal))
    }
    group = select.args.get("group")
    if group and any(group.args.get(kind) for kind in ("grouping_sets", "cube", "rollup")):
        return
    keys = [{each.sql() for each in group.expressions}] if group else []
    windows = [window for projection in select.selects for window in projection.find_all(exp.Window)]
    keys += [{each.sql() for each in window.args.get("partition_by") or []} for window in windows]
    for demand in demands:
        sources = [passed.get(column.name) for column in demand.find_all(exp.Column)]
        if all(
            source is not None and (isinstance(source, exp.Literal) or all(source.sql() in each for each in keys))
            for source in sources
        ):
            yield _replaced(demand, lambda column: passed[column.name].copy())


def _replaced(condition: exp.Expression, by: Callable[[exp.Column], exp.Expression]) -> exp.Expression:
    return condition.transform(lambda node: by(node) if isinstance(node, exp.Column) else node)


def _conjuncts(condition: exp.Expression | None) -> Iterator[exp.Expression]:
    if isinstance(condition, (exp.And, exp.Paren)):
        for part in (condition.left, condition.right) if isinstance(condition, exp.And) else (condition.this,):
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def _tables(condition: exp.Expression) -> set[str]:
    return {column.table for column in condition.find_all(exp.Column)}


def _refused(condition: exp.Expression) -> set[str]:
    """The tables whose columns can't all be NULL in a row that passes, as far as that is plain to see."""
    match condition:
        case exp.Paren():
            return _refused(condition.this)
        case exp.And():
            return _refused(condition.left) | _refused(condition.right)
        case exp.Or():
            return _refused(condition.left) & _refused(condition.right)
        case exp.Not():
            inner = condition.this.unnest()
            if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
                return _column_tables(inner.this)
            return _refused(inner) if isinstance(inner, _UNKNOWN_OF_NULL) else set()
    if isinstance(condition, _UNKNOWN_OF_NULL):
        return _column_tables(condition.this) | _column_tables(condition.args.get("expression"))
    return set()


def _column_tables(operand: exp.Expression | None) -> set[str]:
    return {operand.table} if isinstance(operand, exp.Column) else set()
