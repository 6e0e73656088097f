"""The interfaces of Django REST framework that `compat/rest_framework.py` uses still exist."""

import inspect

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from mission_control.compat.rest_framework import is_from_form
from tests.compat.expect import changed, expect_parameters

SEAM = "compat/rest_framework.py"


class Form(serializers.Serializer):
    name = serializers.CharField()


def test_a_view_makes_its_request_where_ours_does():
    expect_parameters(
        "djangorestframework", APIView.initialize_request, ["self", "request", "args", "kwargs"], SEAM
    )
    assert "self.initialize_request(" in inspect.getsource(APIView.dispatch), changed(
        "djangorestframework", SEAM, "`dispatch` does not call `initialize_request`"
    )


def test_a_body_is_still_taken_for_none_by_its_missing_length():
    source = inspect.getsource(Request)
    assert "CONTENT_LENGTH" in source, changed(
        "djangorestframework", SEAM, "the length is not read; is ChunkedBodies still needed?"
    )


def test_a_field_knows_whether_a_form_sent_its_value():
    assert is_from_form(Form(data=QueryDict("name=a")).fields["name"])
    assert not is_from_form(Form(data={"name": "a"}).fields["name"])
    assert not is_from_form(Form().fields["name"])
