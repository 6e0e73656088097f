"""Documents, also under the name of their model."""

from rest_framework.request import Request
from rest_framework.response import Response

from mission_control import documents
from mission_control.api import querysets
from mission_control.api.filters import DocumentFilter
from mission_control.api.serializers.documents import DocumentChange, DocumentCreate, DocumentReader, VersionReader
from mission_control.api.views.base import ObjectViews


class DocumentViews(ObjectViews):
    """Documents: what agents handed in, requirements, notes. Another content is another version."""

    queryset = querysets.documents()
    filterset_class = DocumentFilter
    noun, one, many, reader = "Document", "document", "documents", DocumentReader
    writers = {"create": DocumentCreate, "partial_update": DocumentChange}
    lists = {"versions": VersionReader}

    def create(self, request: Request) -> Response:
        return self.now(documents.create(**self.given()))

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
    """The same documents, named as the model is."""

    one, many = "deliverable", "deliverables"
