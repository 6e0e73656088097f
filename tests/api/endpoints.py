"""All endpoints, read from the URL configuration, so that no test can miss one."""

import re
from typing import Any, NamedTuple

from mission_control.api import urls
from mission_control.models import AccessToken, Notification
from tests import make

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOUNS = {
    "agents": "Agent",
    "tasks": "Task",
    "projects": "Project",
    "documents": "Document",
    "deliverables": "Document",
    "notifications": "Notification",
    "runs": "Run",
    "questions": "Question",
    "tokens": "Token",
}


class Endpoint(NamedTuple):
    method: str
    route: str  # from the root, such as `/api/mission-control/tasks/{pk}`
    view: Any
    action: str | None

    @property
    def name(self) -> str:
        """Return a name such as `POST tasks/{pk}/run`; those of Deep Work begin with `deep-work`."""
        return f"{self.method} {self.route.removeprefix('/api/').removeprefix('mission-control/')}"

    @property
    def kind(self) -> str:
        """Return the kind of object that the id in the path names, such as `tasks`."""
        return next((part for part in self.route.split("/") if part in NOUNS), "")

    @property
    def fields(self) -> set[str]:
        """Return the names of the fields that a body may have."""
        writer = getattr(self.view, "writers", {}).get(self.action)
        return set(writer().fields) if writer else set()

    def path(self, ids: dict[str, Any]) -> str:
        return self.route.format(pk=ids.get(self.kind), task_id=ids.get("tasks"), file_id=ids.get("files"))


def endpoints() -> list[Endpoint]:
    """Return one endpoint for each method of each path without a trailing slash."""
    found = []
    for pattern in urls.urlpatterns:
        if not pattern.name:
            continue
        route, view = "/" + re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern)), vars(pattern.callback)["cls"]
        actions = getattr(pattern.callback, "actions", None)  # of a view set: method → action name
        actions = actions or {method.lower(): None for method in METHODS if hasattr(view, method.lower())}
        found += [Endpoint(m, route, view, actions[m.lower()]) for m in METHODS if m.lower() in actions]
    return found


ALL = endpoints()
READS = [endpoint for endpoint in ALL if endpoint.method == "GET"]
WRITES = [endpoint for endpoint in ALL if endpoint.method != "GET"]
BY_NAME = {endpoint.name: endpoint for endpoint in ALL}


def one_of_each(user: Any) -> dict[str, Any]:
    """Create one object of each kind, related to each other, and return their ids by the kind in the path."""
    agent, project = make.agent(), make.project()
    task = make.task(project=project, assignees=[agent])
    document = make.document(task=task)
    return {
        "agents": agent.pk,
        "projects": project.pk,
        "tasks": task.pk,
        "documents": document.pk,
        "deliverables": document.pk,
        "runs": make.run(make.task(), agent).pk,
        "questions": make.question().pk,
        "notifications": Notification.objects.filter(agent=agent).first().pk,
        "tokens": AccessToken.objects.create(user=user, name="x")[0].uid,
    }
