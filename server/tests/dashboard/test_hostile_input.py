"""What no form of ours would send is refused in words, never by a broken page."""

from __future__ import annotations

import pytest
import scenes
from dashboard.browsing import PLACE, addresses, signed_in

pytestmark = pytest.mark.django_db
FIELDS = (
    "name",
    "key",
    "hypothesis",
    "owner",
    "version",
    "do",
    "share",
    "slot_share",
    "unit_type",
    "layer",
    "clause.0.attribute",
    "clause.0.operator",
    "clause.0.value",
    "condition_json",
    "joined_by",
    "flag.0",
    "arm.0.key",
    "arm.0.name",
    "arm.0.weight",
    "control",
    "oec",
    "secondary",
    "guardrail.0.key",
    "guardrail.0.margin",
    "guardrail.0.kind",
    "guardrail.0.on_breach",
    "mde",
    "confidence",
    "power",
    "baseline",
    "deviation",
    "daily_units",
    "planned_days",
    "type",
    "kind",
    "off",
    "default",
    "variant.0.key",
    "variant.0.value",
    "rule.0.variant",
    "rule.0.share",
    "rule.0.unit_type",
    "rule.0.ring.0.name",
    "rule.0.ring.0.share",
    "rule.0.ring.0.clause.0.attribute",
    "need.0.flag",
    "need.0.variants",
    "attributes",
    "unit",
    "units",
    "now",
    "flags",
    "how",
    "hours",
    "days",
    "address",
    "arm",
    "variant:checkout-button",
    "ramp",
    "ring",
    "step.0.at",
    "step.0.share",
    "token",
    "copy_from",
    "description",
    "override.0.variant",
    "override.0.units",
    "reason",
    "choice",
    "rule",
    "email",
    "role",
    "edition",
    "direction",
    "tier",
    "event",
    "aggregate",
    "denominator_event",
    "denominator_aggregate",
    "window_days",
    "cap",
    "display",
    "margin",
    "minimum_units",
    "where",
    "mapping",
    "next",
    "back",
    "theme",
)
ACTIONS = ("try", "rings-0", "ring-0", "unring-0-0", "add", "save", "pause")
HOSTILE = (
    "",
    "-1",
    "1e400",
    "9" * 30,
    "٣",
    "\u0000",
    "\ud800",
    "<script>alert(1)</script>",
    "x" * 5000,
    "remove-99",
    '{"all": [{"attribute": []}]}',
    "ship:nobody",
    "[[outcomes]]",
)


@pytest.mark.parametrize("typed", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_no_input_breaks_a_page(typed: str) -> None:
    shop = scenes.a_shop()
    scenes.a_draft_experiment(shop)
    client = signed_in(shop.owner)
    form = dict.fromkeys(FIELDS, typed.encode("utf-8", "replace").decode())
    for address in addresses():
        answer = client.post(address, form)
        assert answer.status_code < 500, address
        assert "<script>alert" not in answer.text, address
    for do in ACTIONS:
        answer = client.post(f"{PLACE}/flags/checkout-button/edit", {**form, "do": do})
        assert answer.status_code < 500, do
        assert "<script>alert" not in answer.text, do


@pytest.mark.parametrize("typed", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_no_address_breaks_a_page(typed: str) -> None:
    shop = scenes.a_shop()
    scenes.a_running_experiment(shop)
    client = signed_in(shop.owner)
    safe = typed.encode("utf-8", "replace").decode()
    names = (
        "search",
        "show",
        "run",
        "before",
        "unit",
        "unit_type",
        "attributes",
        "units",
        "now",
        "rule",
        "ring",
        "experiment",
        "flag",
        "mde",
        "daily_units",
        "baseline",
    )
    for address in addresses():
        answer = client.get(address, dict.fromkeys(names, safe))
        assert answer.status_code < 500, address
        assert "<script>alert" not in answer.text, address
    assert client.get(f"{PLACE}/experiments/{'x' * 300}").status_code == 404
