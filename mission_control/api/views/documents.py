"""Documents, which are also available under the name of their model: deliverables."""

from typing import Any, cast

from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from mission_control.actions import documents
from mission_control.api import querysets
from mission_control.api.filters import DocumentFilter
from mission_control.api.serializers.documents import DocumentChange, DocumentCreate, DocumentReader, VersionReader
from mission_control.api.views.base import ObjectViews
from mission_control.errors import Invalid

FILE = "file"  # the name of the part in multipart/form-data


class DocumentViews(ObjectViews):
    """Documents: results of agents, requirements, notes. A change of content creates a new version."""

    queryset = querysets.documents()
    filterset_class = DocumentFilter
    noun, one, many, reader = "Document", "document", "documents", DocumentReader
    writers = {"create": DocumentCreate, "partial_update": DocumentChange}
    lists = {"versions": VersionReader}

    def create(self, request: Request) -> Response:
        """Create a document from fields or, as multipart, from a text file, whose name is the default title."""
        is_form = isinstance(request.data, QueryDict)
        given = self.given(
            self._with_file(request) if request.FILES or (is_form and FILE in request.data) else None
        )
        return self.now(documents.create(**given))

    def _with_file(self, request: Request) -> Any:
        """Return the body with the title and content of its file. Raises Invalid."""
        if set(request.FILES) != {FILE} or len(request.FILES.getlist(FILE)) > 1 or "content" in request.data:
            raise Invalid(FILE, f"Send exactly one file as `{FILE}`, and no content field.")
        title, content = documents.read_text_file(request.FILES[FILE])
        body = cast(QueryDict, request.data).copy()
        del body[FILE]
        body.setdefault("title", title)
        body["content"] = content
        return body

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.find(pk))

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.now(documents.change(self.find(pk), **self.given()))

    def destroy(self, request: Request, pk: str) -> Response:
        documents.delete(self.find(pk))
        return self.deleted(pk)

    def versions(self, request: Request, pk: str) -> Response:
        return self.listed(self.find(pk).versions.all())


class DeliverableViews(DocumentViews):
    """The same objects as `documents`, under another name."""

    one, many = "deliverable", "deliverables"
