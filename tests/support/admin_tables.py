"""The rows of a list of the admin as a person reads them: {column: text} for each row."""

from html.parser import HTMLParser


class _Cells(HTMLParser):
    """A parser that collects the cells of the list's rows by their column."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = list[dict[str, str]]()
        self._is_inside, self._column = False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self._is_inside = given.get("id") == "result_list"
        elif self._is_inside and tag == "tr":
            self.rows.append({})
        elif self._is_inside and tag in ("td", "th"):
            named = [name for name in (given.get("class") or "").split() if name.startswith("field-")]
            self._column = named[0].removeprefix("field-") if named else ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._column = ""
        elif tag == "table":
            self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._column and self.rows:
            self.rows[-1][self._column] = self.rows[-1].get(self._column, "") + data


def listed_rows(page: str) -> list[dict[str, str]]:
    parser = _Cells()
    parser.feed(page)
    return [{column: text.strip() for column, text in row.items()} for row in parser.rows if row]
