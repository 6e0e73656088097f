"""Deep Work: planning a project, and starting, pausing and resuming its execution."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mission_control import planning
from mission_control.actions import permissions, project_execution, tasks
from mission_control.api import querysets
from mission_control.api.serializers.documents import DocumentReader
from mission_control.api.serializers.planning import GoalParsed, GoalRequest, PlanRequest
from mission_control.api.serializers.projects import ProjectPlan, ProjectReader, ProjectSteered, TaskSkipped
from mission_control.api.serializers.tasks import TaskReader
from mission_control.api.views.base import ObjectViews, find
from mission_control.api.views.projects import with_tasks
from mission_control.errors import PlannerFailed, WrongState
from mission_control.models import Project
from mission_control.queries.progress import progress
from mission_control.scheduling.dependencies import execution_levels
from mission_control.scheduling.waiting_reasons import waiting_for

VIEW = [f"mission_control.view_{name}" for name in ("project", "task", "deliverable")]


class DeepWorkViews(ObjectViews):
    """Plan and execute projects.

    Planning and starting a project also need the permission to start agents, pausing it that to stop them.
    """

    queryset = querysets.projects()
    noun, one, many, reader = "Project", "project", "projects", ProjectReader
    writers = {"parse_goal": GoalRequest, "start": PlanRequest}
    answers = {
        "parse_goal": GoalParsed,
        "start": ProjectSteered,
        "replan": ProjectSteered,
        "plan": ProjectPlan,
        "approve": ProjectSteered,
        "begin": ProjectSteered,
        "pause": ProjectSteered,
        "resume": ProjectSteered,
        "skip": TaskSkipped,
    }
    refusals = {name: [WrongState] for name in ("approve", "begin", "pause", "resume", "skip", "replan")}
    refusals["parse_goal"] = [PlannerFailed]
    action_permissions = {
        "parse_goal": permissions.RUN_TASK,
        "start": permissions.PLAN_PROJECT,
        "replan": permissions.START_PROJECT,
        "plan": VIEW,
        "approve": permissions.START_PROJECT,
        "begin": permissions.START_PROJECT,
        "pause": permissions.PAUSE_PROJECT,
        "resume": permissions.START_PROJECT,
        "skip": permissions.CHANGE_TASK,
    }

    @extend_schema(operation_id="deep_work_parse_goal")
    def parse_goal(self, request: Request) -> Response:
        """Have the planner analyse a goal, and return the analysis."""
        given = self.given()
        assert request.user.is_authenticated, "add_run is required"
        return Response({"success": True, "goal_analysis": planning.parse_goal(**given, by=request.user)})

    @extend_schema(operation_id="deep_work_start")
    def start(self, request: Request) -> Response:
        """Create a project and start planning it. Answers at once; WebSockets report the progress."""
        given = self.given()
        assert request.user.is_authenticated, "add_run is required"
        return self.steered(planning.start(**given, by=request.user))

    @extend_schema(operation_id="deep_work_replan")
    def replan(self, request: Request, pk: str) -> Response:
        """Regenerate the plan of a project whose planning failed or whose plan awaits approval."""
        assert request.user.is_authenticated, "add_run is required"
        return self.steered(planning.replan(self.find(pk), by=request.user))

    @extend_schema(operation_id="deep_work_plan")
    def plan(self, request: Request, pk: str) -> Response:
        project = self.find(pk)
        rows = querysets.tasks().filter(project=project)
        levels = execution_levels(project, rows)
        prd, analysis = project.prd_document, project.metadata.get("goal_analysis")
        return Response(
            {
                **with_tasks(project, rows),
                "prd": DocumentReader(prd).data if prd else None,
                "execution_levels": levels,
                "task_level_map": {str(key): level for level, keys in enumerate(levels) for key in keys},
                "goal_analysis": analysis if isinstance(analysis, dict) else None,
                "waiting_for": waiting_for(project, rows),
            }
        )

    @extend_schema(operation_id="deep_work_approve")
    def approve(self, request: Request, pk: str) -> Response:
        return self.steered(project_execution.approve(self.find(pk)))

    @extend_schema(operation_id="deep_work_begin")
    def begin(self, request: Request, pk: str) -> Response:
        """Start a project whose tasks were created manually, from draft or approved."""
        return self.steered(project_execution.start(self.find(pk)))

    @extend_schema(operation_id="deep_work_pause")
    def pause(self, request: Request, pk: str) -> Response:
        return self.steered(project_execution.pause(self.find(pk)))

    @extend_schema(operation_id="deep_work_resume")
    def resume(self, request: Request, pk: str) -> Response:
        return self.steered(project_execution.resume(self.find(pk)))

    def steered(self, project: Project) -> Response:
        return Response({"success": True, "project": self.reader(self.find(str(project.pk))).data})

    @extend_schema(operation_id="deep_work_skip")
    def skip(self, request: Request, pk: str, task_id: str) -> Response:
        project, task = self.find(pk), find(querysets.TASK, "Task", task_id)
        if task.project_id != project.pk:
            raise WrongState("Task does not belong to this project")
        skipped = tasks.skip(task)
        shown = TaskReader(find(querysets.TASK_SHOWN, "Task", str(skipped.pk))).data
        return Response({"success": True, "task": shown, "progress": progress(project)})
