"""Write the requirements of a project: a document of its own, which every prompt of its tasks contains."""

from typing import Any

from django.db import transaction

from mission_control.actions import documents, projects
from mission_control.actions.locking import locked
from mission_control.models import Deliverable, Project


def write(project: Project, content: str, *, editor_id: str) -> Deliverable:
    """Store the next version of the requirements, or the first, and return the document.

    Locks the document's row, or the project's if there is no document yet. Raises Invalid and NotFound.
    """
    with transaction.atomic():
        document = locked_document(project)
        if document is not None:
            return documents.change(document, content=content, editor_id=editor_id)
        document = create_document(project, content, title=project.title, author_id=editor_id)
        projects.change(project, prd_document=document)
        return document


def locked_document(project: Project) -> Deliverable | None:
    """Lock and return the document with the requirements; without one, lock the project and return None."""
    document = project.prd_document or locked(project).prd_document  # it may just have been created
    return locked(document) if document is not None else None


def create_document(project: Project, content: str, *, title: str, author_id: str, **fields: Any) -> Deliverable:
    """Store requirements as a new document. The caller makes it the project's."""
    return documents.create(
        title=f"PRD: {title}",
        content=content,
        type=Deliverable.Type.PROTOCOL,
        project=project,
        author_id=author_id,
        **fields,
    )
