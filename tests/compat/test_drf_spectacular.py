"""The interfaces of drf-spectacular that `mission_control/api/schema.py` overrides or calls still exist."""

import inspect

import pytest
from drf_spectacular import plumbing
from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from mission_control.api.schema import ContractSchema, FilterSchema
from tests.compat.expect import changed, expect_attributes, expect_parameters

PACKAGE, SEAM = "drf-spectacular", "api/schema.py"
OVERRIDDEN = [
    name
    for name, own in vars(ContractSchema).items()
    if inspect.isfunction(own) and name not in {"_answer", "_errors", "_takes_parameters"}  # our own
]


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_overridden_method_has_the_same_parameters(name):
    ours = list(inspect.signature(getattr(ContractSchema, name)).parameters)
    expect_parameters(PACKAGE, getattr(AutoSchema, name), ours, SEAM)


def test_what_is_called_is_there():
    called = ["_tokenize_path", "_get_filter_parameters", "_get_pagination_parameters", "_get_format_parameters"]
    expect_attributes(PACKAGE, AutoSchema, called, SEAM)
    expect_parameters(PACKAGE, ComponentRegistry.register_on_missing, ["self", "component"], SEAM)
    expect_attributes(PACKAGE, ResolvedComponent, ["ref", "SCHEMA"], SEAM)
    ours = list(inspect.signature(FilterSchema.resolve_filter_field).parameters)
    expect_parameters(PACKAGE, DjangoFilterExtension.resolve_filter_field, ours, SEAM)


def test_choices_still_carry_the_mark_that_is_removed():
    assert "x-spec-enum-id" in inspect.getsource(plumbing), changed(PACKAGE, SEAM, "choices have another mark")
