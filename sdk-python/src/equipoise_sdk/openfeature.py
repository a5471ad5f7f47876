"""An OpenFeature provider over a client. Needs the extra "openfeature"; evaluates from memory.

from openfeature import api
api.set_provider(EquipoiseProvider(equipoise_sdk.connect("https://flags.example.org", "eq_…")))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar, cast

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import (
    FlagEvaluationDetails,
    FlagResolutionDetails,
    FlagValueType,
    Reason,
)
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from equipoise_engine import Context, Decision
from equipoise_sdk.client import Client
from equipoise_sdk.events import rfc_3339
from equipoise_sdk.news import Event, Turn

EXPOSURE = "feature_flag.exposure"
"""The name of the track that reports an exposure, with the properties "flagKey" and "variant"."""
HINT = "exposure"
PREVIEW = "equipoisePreview"
CLOCK = "now"

Json = Sequence[FlagValueType] | Mapping[str, FlagValueType]
ValueT = TypeVar("ValueT", bool, str, int, float, Json)
Fit = Callable[[object], object]


class _Told(dict[str, bool | int | float | str]):
    """Flag metadata that bring the decision along to the hook: evaluated once, exposed as served."""

    decision: Decision
    report: Callable[[Decision], None]


class ExposureHook(Hook):
    """Reports the exposure once a value was served. In `finally`, where it cannot change what is served.

    The provider brings one along; with `exposures=False` it is attached where a value is used. The hint
    {"exposure": False} leaves it out for one call. Harmless beside any other provider.
    """

    def finally_after(
        self,
        hook_context: HookContext,  # noqa: ARG002 - OpenFeature names it
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,
    ) -> None:
        """Report what was served, unless the call failed or asks not to."""
        told = details.flag_metadata
        if isinstance(told, _Told) and details.error_code is None and hints.get(HINT) is not False:
            told.report(told.decision)


class EquipoiseProvider(AbstractProvider):
    """Flags and experiments of one environment.

    The targeting key is the unit of the project's default type; an attribute named as another unit type
    is that unit, and an attribute too. `now` is the time that switchbacks go by. `equipoisePreview` may
    hold a preview token. Nothing else of a context decides for a unit: overrides and clusters are not
    taken from one.

    Args:
        client: made by `connect` or `in_memory`; it stays the application's to close.
        exposures: whether every evaluation at a call site is an exposure.
    """

    def __init__(self, client: Client, *, exposures: bool = True) -> None:
        super().__init__()
        self._client = client
        self._hooks: list[Hook] = [ExposureHook()] if exposures else []
        self._leave: Callable[[], None] | None = None
        self._is_ready = False

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name="equipoise")

    def get_provider_hooks(self) -> list[Hook]:
        """Return the exposure hook, unless it is left to call sites."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - as above
        """Pass on what happens to the snapshot.

        Raises:
            ProviderNotReadyError: while there is none; defaults are served, and `PROVIDER_READY` follows.
        """
        if self._leave is None:
            self._leave = self._client.subscribe(self._hear)
        self._is_ready = self._client.status.ready
        if not self._is_ready:
            raise ProviderNotReadyError("no snapshot has been received yet")

    def shutdown(self) -> None:
        """Send what is queued within a second. The client goes on."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        self._client.flush()

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Report that something happened to the context's units, or that they met a flag's value."""
        details = tracking_event_details or TrackingEventDetails()
        context = self._context(evaluation_context)
        if tracking_event_name == EXPOSURE:
            self._expose(details.attributes, context)
        else:
            properties = details.attributes or None
            self._client.track(tracking_event_name, context, value=details.value, properties=properties)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Decide a boolean flag."""
        return self._resolved(flag_key, default_value, evaluation_context, _as_it_is)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Decide a string flag."""
        return self._resolved(flag_key, default_value, evaluation_context, _as_it_is)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Decide a number flag whose value is whole: 3 and 3.0 both are 3."""
        return self._resolved(flag_key, default_value, evaluation_context, _whole)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Decide a number flag: 3 and 3.0 both are 3.0."""
        return self._resolved(flag_key, default_value, evaluation_context, _decimal)

    def resolve_object_details(
        self, flag_key: str, default_value: Json, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Json]:
        """Decide an object flag."""
        return self._resolved(flag_key, default_value, evaluation_context, _as_it_is)

    def _resolved(
        self, flag_key: str, default: ValueT, given: EvaluationContext | None, fit: Fit
    ) -> FlagResolutionDetails[ValueT]:
        decision = self._client.peek(flag_key, default, self._context(given))
        if decision.variant is None:  # there is nothing of the flag's own to serve
            code = ErrorCode(str(decision.error_code or ErrorCode.GENERAL.value))
            return _failed(default, code, decision.error_message)
        value = fit(decision.value)
        if value is None:
            return _failed(default, ErrorCode.TYPE_MISMATCH, f"{decision.value!r} is no whole number")
        return FlagResolutionDetails(
            value=cast("ValueT", value),
            reason=Reason(str(decision.reason)),
            variant=decision.variant,
            flag_metadata=self._told(decision, given),
        )

    def _told(self, decision: Decision, given: EvaluationContext | None) -> _Told:
        """Return metadata in the words of OpenFeature's appendix D beside our own."""
        told = _Told(decision.metadata)
        told.decision, told.report = decision, self._client.expose
        status = decision.metadata
        told["flagSetId"] = f"{status.get('project')}/{status.get('environment')}"
        if (version := self._client.version) is not None:
            told["version"] = version
        if given is not None and given.targeting_key:
            told["contextId"] = given.targeting_key
        if decision.unit is not None:
            told["experiment.unit"] = decision.unit
        return told

    def _context(self, given: EvaluationContext | None) -> Context:
        given = given or EvaluationContext()
        attributes = {name: _plain(value) for name, value in given.attributes.items() if name != PREVIEW}
        units = {name: attributes[name] for name in self._client.unit_types if name in attributes}
        unit_type = self._client.default_unit_type
        if given.targeting_key and unit_type is not None:
            units[unit_type] = given.targeting_key
        context: dict[str, object] = {"units": units, "attributes": attributes}
        if CLOCK in attributes:
            context["now"] = attributes[CLOCK]
        token = given.attributes.get(PREVIEW)
        if isinstance(token, str) and (overrides := self._client.preview(token)):
            context["overrides"] = overrides
        return context

    def _expose(self, properties: Mapping[str, object], context: Context) -> None:
        """Expose what a flag serves a context, if that is what the caller says it met."""
        decision = self._client.peek(cast("str", properties.get("flagKey")), None, context)
        if properties.get("variant", decision.variant) == decision.variant:
            self._client.expose(decision, attributes=cast("Mapping[str, object]", context["attributes"]))

    def _hear(self, event: Event) -> None:
        if event.turn is Turn.STALE and self._is_ready:
            self.emit_provider_stale(ProviderEventDetails(message=event.message))
        elif event.turn is Turn.FRESH and self._is_ready:
            self.emit_provider_ready(ProviderEventDetails())
        elif event.turn is Turn.CHANGED:
            if not self._is_ready:
                self._is_ready = True
                self.emit_provider_ready(ProviderEventDetails())
            changed = ProviderEventDetails(flags_changed=list(event.flags))
            self.emit_provider_configuration_changed(changed)


def _failed(default: ValueT, code: ErrorCode, message: str | None) -> FlagResolutionDetails[ValueT]:
    return FlagResolutionDetails(default, error_code=code, error_message=message, reason=Reason.ERROR)


def _as_it_is(value: object) -> object:
    return value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, int | float) and float(value).is_integer() else None


def _decimal(value: object) -> object:
    return float(value) if isinstance(value, int | float) else value


def _plain(value: object) -> object:
    """Return an attribute as JSON has it; a time without a zone is no instant, and stays a text."""
    if not isinstance(value, datetime):
        return value
    return value.isoformat() if value.utcoffset() is None else rfc_3339(value)
