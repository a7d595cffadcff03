"""The values of an admin page's form, as a browser would submit them."""

from html.parser import HTMLParser
from typing import Any


class _Inputs(HTMLParser):
    """A parser that collects the values of the form with this id."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id, self.values = form_id, dict[str, list[str]]()
        self._is_inside, self._select, self._area = False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        answer = dict(attrs)
        if tag == "form":
            self._is_inside = (answer.get("id") or "") == self.form_id
        if not self._is_inside:
            return
        name, kind = answer.get("name") or "", answer.get("type", "text")
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
            self.values[name] = [""]
        elif tag == "option" and "selected" in answer and self._select:
            self.values.setdefault(self._select, []).append(answer.get("value") or "")
        elif tag == "input" and name and kind not in ("submit", "file", "checkbox", "radio"):
            self.values.setdefault(name, []).append(answer.get("value") or "")
        elif tag == "input" and name and "checked" in answer:
            self.values.setdefault(name, []).append(answer.get("value") or "on")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] = [data.lstrip("\n")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        if tag in ("select", "textarea"):
            self._select = self._area = ""


def filled_in(page: str, form_id: str) -> dict[str, Any]:
    """Return {name: values} of the form with this id as the page shows it; "" is the page's confirmation."""
    parser = _Inputs(form_id)
    parser.feed(page)
    assert parser.values, f"no form {form_id}"
    parser.values.pop("csrfmiddlewaretoken", None)
    return parser.values
