"""Writes the table of operations into docs/reference/api.md: `python server/tests/api_reference.py`."""

from __future__ import annotations

import os
from pathlib import Path

BEGIN = "<!-- operations: written by server/tests/api_reference.py -->\n"
END = "<!-- end of operations -->"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def operations_table() -> str:
    """One line per operation, as the OpenAPI description has them."""
    from equipoise_server.api.app import build  # noqa: PLC0415  # needs Django set up

    lines = ["| operation | does |", "|---|---|"]
    for path, methods in build().get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            address = f"{method.upper()} {path.removeprefix('/api/v1')}"
            lines.append(f"| `{address}` | {' '.join(operation['description'].split())} |")
    return "\n".join(lines) + "\n"


def with_operations(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{operations_table()}{END}{after}"


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")
    django.setup()
    PAGE.write_text(with_operations(PAGE.read_text()))
