"""Prepared statements about the user of a token, which confirm the user beside their own work.

An operation that runs one of them is named in `confirms_user` of its view, so that its request needs no other statement for
the user.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.db.models import Exists, QuerySet

from accounts.models import User
from accounts.token_users import TokenUser
from config.platform.prepared import CountOf, PageOf, Prepared, Row, kinds_of


class UserStatement:
    """A function that builds a queryset of columns for a `user_id`, as a statement that confirms this user."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], kinds: list[type] | None = None) -> None:
        def build_confirming(*arguments: Any) -> QuerySet[Any, Any]:
            *own, issued_at = arguments
            rows: Any = build(*own)
            return cast(
                QuerySet[Any, Any], rows.annotate(is_signed_in=Exists(User.objects.signed_in(own[0], issued_at)))
            )

        self._statement = Prepared(build_confirming, [*(kinds or kinds_of(build)), datetime])

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns. The last one shows whether the user is signed in."""
        return self._statement.columns

    def rows(self, user: TokenUser, *args: Any) -> list[Row]:
        """Run the statement and return its rows. Raises SignedOut for a user whose token is outdated."""
        rows = self._statement.rows(user.pk, *args, user.issued_at)
        if rows:
            user.confirm(rows[0][-1])
        else:
            user.load()
        return rows


class Listing(NamedTuple):
    """An ordered queryset, and the columns of its rows: names of fields, and expressions by name."""

    rows: QuerySet[Any, Any]
    fields: tuple[str, ...]
    expressions: Mapping[str, Any]


def listing(rows: QuerySet[Any, Any], *fields: str, **expressions: Any) -> Listing:
    """Return the listing of a queryset, which must have a unique order."""
    return Listing(rows, fields, expressions)


class UserList:
    """A list of the user's things, from a function that returns its `Listing` for a `user_id`.

    One statement finds the ids of a page in the index, counts all ids, and reads the columns of the page's rows only.
    """

    def __init__(self, build: Callable[..., Listing]) -> None:
        def build_page(*arguments: Any) -> QuerySet[Any, Any]:
            *own, limit, offset = arguments
            rows, fields, expressions = build(*own)
            page: Any = rows.model._default_manager.filter(pk__in=PageOf(rows.values("pk"), limit, offset))
            total = CountOf(rows.order_by().values("pk"))
            chosen = page.order_by(*rows.query.order_by).annotate(**expressions, total=total)
            return cast(QuerySet[Any, Any], chosen.values_list(*fields, *expressions, "total"))

        def build_count(*arguments: Any) -> QuerySet[Any, Any]:
            total = CountOf(build(*arguments).rows.order_by().values("pk"))
            return User.objects.filter(pk=arguments[0]).annotate(total=total).values_list("total")

        kinds = kinds_of(build)
        self._page = UserStatement(build_page, [*kinds, int, int])
        self._count = UserStatement(build_count, kinds)

    @property
    def columns(self) -> list[str]:
        return self._page.columns

    def page(self, user: TokenUser, *args: Any, limit: int | None, offset: int) -> tuple[list[Row], int]:
        """Return one page of rows (all of them without a limit), and the number of all rows."""
        rows = self._page.rows(user, *args, limit, offset)
        if rows:
            return rows, rows[0][-2]
        return [], self._count.rows(user, *args)[0][0] if offset else 0
