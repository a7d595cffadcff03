"""An operator who is signed in to the admin and uses its pages."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group as Role
from django.test import Client

from accounts.models import User
from tests.factories.people import OperatorFactory
from tests.support.admin_forms import filled_in


class Operator:
    """An operator signed in to the admin, with one of the four roles or as a superuser."""

    def __init__(self, role: str = "", **fields: Any) -> None:
        self.user: User = OperatorFactory(is_superuser=not role, **fields)
        if role:
            self.user.groups.add(Role.objects.get(name=role))
        self.http = Client()
        self.http.force_login(self.user)

    def sees(self, where: str, **query: Any) -> int:
        """Return the HTTP status of a page."""
        return int(self.http.get(f"/admin/{where}", query).status_code)

    def page(self, where: str, **query: Any) -> str:
        answer = self.http.get(f"/admin/{where}", query)
        assert answer.status_code == 200, (where, answer.status_code)
        return str(answer.text)

    def act(self, where: str, action: str, *rows: Any, confirmed: bool = True, **form: Any) -> str:
        """Run an action on these rows and confirm it. Returns the page that follows."""
        body = {"action": action, "_selected_action": [str(row.pk) for row in rows], **form}
        if confirmed:
            body["confirmed"] = "yes"
        path, _, query = where.partition("?")
        return str(self.http.post(f"/admin/{path.rstrip('/')}/?{query}", body, follow=True).text)

    def opens(self, where: str) -> dict[str, Any]:
        """Return the initial values of the form of a change or add page."""
        return filled_in(self.page(where), f"{where.split('/')[1]}_form")

    def saves(self, where: str, form: dict[str, Any], **typed: Any) -> str:
        """Change the values of an opened form and save it. Returns the page that follows."""
        return str(self.http.post(f"/admin/{where}", {**form, **typed}, follow=True).text)

    def confirms(self, where: str, page: str, **typed: Any) -> str:
        """Confirm the change of a rule on its confirmation page. Returns the page that follows."""
        return self.saves(where, filled_in(page, ""), **typed)

    def proposes(self, where: str, **typed: Any) -> str:
        """Change rules in their form and confirm the change. Returns the page that follows."""
        return self.confirms(where, self.saves(where, self.opens(where), **typed))

    def clicks(self, where: str, name: str, **form: Any) -> str:
        """Click a button above a list. Returns the page that follows."""
        return str(self.http.post(f"/admin/{where}/do/{name}/", form, follow=True).text)


def address(model: Any) -> str:
    return f"{model._meta.app_label}/{model._meta.model_name}"


PAGES = {address(model): model_admin for model, model_admin in admin.site._registry.items()}


def shown_phones(page: str) -> list[str]:
    return [phone for phone in ("13800000001", "13800000002", "13800000003") if phone in page]
