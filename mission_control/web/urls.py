"""The URLs of the pages, their fragments and their actions."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from mission_control.web.account import views as account
from mission_control.web.activity import views as activity
from mission_control.web.agents import connection_views, found_views, tools_views
from mission_control.web.agents import views as agents
from mission_control.web.board import views as board
from mission_control.web.documents import views as documents
from mission_control.web.help import views as help
from mission_control.web.overview import usage_views
from mission_control.web.overview import views as overview
from mission_control.web.project import edit_views, file_views, plan_views
from mission_control.web.project import views as projects
from mission_control.web.question import views as questions
from mission_control.web.run import views as runs
from mission_control.web.search import views as search
from mission_control.web.task import views as tasks

urlpatterns = [
    path("", board.board, name="board"),
    path(
        "login",
        LoginView.as_view(template_name="account/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout", LogoutView.as_view(), name="logout"),
    path("overview", overview.overview, name="overview"),
    path("overview/standup", overview.standup, name="standup"),
    path("overview/usage", usage_views.usage_page, name="usage"),
    path("overview/<slug:part>", overview.overview_part, name="overview-part"),
    path("activity", activity.activity, name="activity"),
    path("notifications", activity.notification_list, name="notifications"),
    path("notifications/read", activity.read_all, name="notifications-read"),
    path("notifications/<uuid:notification_id>/read", activity.read_one, name="notification-read"),
    path("search", search.search, name="search"),
    path("keys", search.keys, name="keys"),
    path("account", account.account, name="account"),
    path("account/password", account.change_password, name="account-password"),
    path("account/tokens", account.make_token, name="account-tokens"),
    path("account/tokens/<uuid:token_id>/revoke", account.revoke_token, name="account-revoke"),
    path("board/changed", board.changed_cards, name="board-changed"),
    path("board/more/<slug:status>", board.more_cards, name="board-more"),
    path("first/agent", board.first_agent, name="first-agent"),
    path("first/sample", board.make_sample, name="first-sample"),
    path("tasks/new", board.new_task, name="task-new"),
    path("tasks/<uuid:task_id>/menu", board.card_menu, name="card-menu"),
    path("tasks/<uuid:task_id>/move", board.move, name="task-move"),
    path("runs/<uuid:run_id>/stop", board.stop_run, name="run-stop"),
    path("runs/<uuid:run_id>/resume", board.resume_run, name="run-resume"),
    path("questions/<uuid:question_id>/answer", questions.answer_question, name="question-answer"),
    path("tasks/<uuid:task_id>", tasks.task_page, name="task"),
    path("tasks/<uuid:task_id>/run", tasks.run_task, name="task-run"),
    path("tasks/<uuid:task_id>/stop", tasks.stop_task, name="task-stop"),
    path("tasks/<uuid:task_id>/resume", tasks.resume_task, name="task-resume"),
    path("tasks/<uuid:task_id>/parts", tasks.task_parts, name="task-parts"),
    path("tasks/<uuid:task_id>/edit", tasks.edit_task, name="task-edit"),
    path("tasks/<uuid:task_id>/assign", tasks.assign_task, name="task-assign"),
    path("tasks/<uuid:task_id>/dependencies", tasks.change_dependencies, name="task-depend"),
    path("tasks/<uuid:task_id>/review", tasks.decide_review, name="task-review"),
    path("tasks/<uuid:task_id>/messages", tasks.post_message, name="task-message"),
    path("tasks/<uuid:task_id>/attach", tasks.attach_to_task, name="task-attach"),
    path("tasks/<uuid:task_id>/skip", tasks.skip_task, name="task-skip"),
    path("tasks/<uuid:task_id>/delete", tasks.delete_task, name="task-delete"),
    path("tasks/<uuid:task_id>/compare", runs.compare, name="task-compare"),
    path("runs/<uuid:run_id>/output", runs.run_output, name="run-output"),
    path("runs/<uuid:run_id>/steps", runs.run_steps, name="run-steps"),
    path("runs/<uuid:run_id>/log", runs.run_log, name="run-log"),
    path("runs/<uuid:run_id>/prompt", runs.run_prompt, name="run-prompt"),
    path("documents", documents.document_list, name="documents"),
    path("documents/new", documents.new_document, name="document-new"),
    path("documents/<uuid:document_id>", documents.document_page, name="document"),
    path("documents/<uuid:document_id>/edit", documents.edit_document, name="document-edit"),
    path("documents/<uuid:document_id>/delete", documents.delete_document, name="document-delete"),
    path("documents/<uuid:document_id>/v<int:version>", documents.document_content, name="document-content"),
    path("documents/<uuid:document_id>/v<int:version>/file", documents.document_file, name="document-file"),
    path("documents/<uuid:document_id>/v<int:old>-v<int:new>", documents.document_diff, name="document-diff"),
    path("projects", projects.project_list, name="projects"),
    path("projects/new", projects.new_project, name="project-new"),
    path("projects/<uuid:project_id>", projects.project, name="project"),
    path("projects/<uuid:project_id>/edit", edit_views.edit_project, name="project-edit"),
    path("projects/<uuid:project_id>/delete", projects.delete_project, name="project-delete"),
    path("projects/<uuid:project_id>/requirements", edit_views.requirements, name="project-requirements"),
    path("projects/<uuid:project_id>/plan", plan_views.plan, name="project-plan"),
    path("projects/<uuid:project_id>/approve", projects.approve, name="project-approve"),
    path("projects/<uuid:project_id>/assign", projects.assign_agentless, name="project-assign"),
    path("projects/<uuid:project_id>/start", projects.start, name="project-start"),
    path("projects/<uuid:project_id>/pause", projects.pause, name="project-pause"),
    path("projects/<uuid:project_id>/resume", projects.resume, name="project-resume"),
    path("projects/<uuid:project_id>/replan", projects.replan, name="project-replan"),
    path("projects/<uuid:project_id>/stop-planning", projects.stop_planning, name="project-stop-planning"),
    path("projects/<uuid:project_id>/tasks/<uuid:task_id>/skip", projects.skip_task, name="project-skip"),
    path("projects/<uuid:project_id>/tasks/<uuid:task_id>/done", projects.finish_task, name="project-finish-task"),
    path(
        "projects/<uuid:project_id>/tasks/<uuid:task_id>/delete",
        plan_views.delete_task,
        name="project-delete-task",
    ),
    path("projects/<uuid:project_id>/files", file_views.folder, name="project-files"),
    path("projects/<uuid:project_id>/file", file_views.file, name="project-file"),
    path("projects/<uuid:project_id>/archive", file_views.archive, name="project-archive"),
    path("projects/<uuid:project_id>/download", file_views.download, name="project-download"),
    path("help/<path:name>", help.help_page, name="help"),
    path("agents", agents.agent_list, name="agents"),
    path("agents/new", agents.new_agent, name="agent-new"),
    path("agents/options", agents.option_fields, name="agent-options"),
    path("agents/choices", agents.option_choices, name="agent-choices"),
    path("agents/found", found_views.found_agents, name="agents-found"),
    path("agents/found/<str:key>/use", found_views.use_found, name="agents-found-use"),
    path("agents/connections", connection_views.connection_list, name="connections"),
    path("agents/connections/program", connection_views.change_program, name="connections-program"),
    path("agents/connections/claude-sdk", connection_views.claude_sdk, name="connections-sdk"),
    path("agents/connections/key", connection_views.change_key, name="connections-key"),
    path("agents/backends", agents.backend_list, name="agent-backends"),
    path("agents/<uuid:agent_id>", agents.agent, name="agent"),
    path("agents/<uuid:agent_id>/tools", tools_views.agent_tools_page, name="agent-tools"),
    path("agents/<uuid:agent_id>/test", agents.agent_test, name="agent-test"),
    path("agents/<uuid:agent_id>/test/run", agents.test_agent, name="agent-test-run"),
    path("agents/<uuid:agent_id>/delete", agents.delete_agent, name="agent-delete"),
]
