"""A browser for tests: signs in by the form, and reads pages by their labels and roles."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from uuid import UUID

from django.test import Client
from people import PASSWORD

from equipoise_server.access.models import User
from equipoise_server.access.values import Actor
from equipoise_server.dashboard.pages.design_forms import WizardStep
from equipoise_server.dashboard.pages.experiment import Tab
from equipoise_server.dashboard.urls import urlpatterns

PLACE = "/p/shop/production"


def signed_in(person: Actor) -> Client:
    """A client in which this person has signed in, through the form."""
    email = User.objects.get(pk=UUID(person.author.id)).email
    client = Client()
    answer = client.post("/sign-in", {"email": email, "password": PASSWORD, "next": "/"})
    assert answer.status_code == 302, "signing in works"
    return client


def addresses() -> Iterator[str]:
    """Every address of a project's pages and buttons, with keys that exist in the shop."""
    place = next(each for each in urlpatterns if str(each.pattern).startswith("p/<project>"))
    keys = {
        "experiments": "checkout-button",
        "flags": "checkout-button",
        "metrics": "purchase",
        "sources": "orders",
        "holdouts": "global",
    }
    keys |= {"groups": "checkout", "segments": "staff"}
    yield from _below(place, PLACE, keys)


def _below(resolver: object, prefix: str, keys: dict[str, str]) -> Iterator[str]:
    for each in getattr(resolver, "url_patterns", ()):
        section = prefix.removeprefix(PLACE).strip("/").partition("/")[0]
        tail = str(each.pattern).replace("<key>", keys.get(section, ""))
        if hasattr(each, "url_patterns"):
            yield from _below(each, prefix + tail, keys)
        elif "<step>" in tail:
            yield from (prefix + tail.replace("<step>", step) for step in WizardStep)
        elif "<tab>" in tail:
            yield from (prefix + tail.replace("<tab>", tab) for tab in Tab)
        else:
            yield prefix + tail


class _Reading(HTMLParser):
    """Collects what a reader meets: headings, forms, fields and their labels."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.text += data


class Page:
    """A page as it can be asked about."""

    def __init__(self, html: str) -> None:
        reading = _Reading()
        reading.feed(html)
        self.tags = reading.tags
        self.text = " ".join(reading.text.replace("\u00a0", " ").split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    def posts(self) -> set[str]:
        """Where the page's forms post to, but for theme and sign-out, which everybody has."""
        forms = (form for form in self.all("form") if form.get("method") == "post")
        return {form.get("action", "") for form in forms} - {"/theme", "/sign-out"}

    def nameless_fields(self) -> list[dict[str, str]]:
        """Fields that no label, title or aria-label names."""
        labelled = {label.get("for") for label in self.all("label")}
        kinds = [field for tag in ("input", "select", "textarea") for field in self.all(tag)]
        return [
            field
            for field in kinds
            if field.get("type") not in {"hidden", "radio", "checkbox"}
            and field.get("id") not in labelled
            and "aria-label" not in field
        ]
