"""The paths of the page, its fragments and its actions."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from mission_control.web import views

urlpatterns = [
    path("", views.board, name="board"),
    path("login", LoginView.as_view(template_name="login.html", redirect_authenticated_user=True), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("capacity", views.capacity_pips, name="capacity"),
    path("tasks", views.task_list, name="tasks"),
    path("tasks/<uuid:task_id>", views.task_page, name="task"),
    path("tasks/<uuid:task_id>/row", views.task_row, name="task-row"),
    path("tasks/<uuid:task_id>/pane", views.task_pane, name="task-pane"),
    path("tasks/<uuid:task_id>/summary", views.task_summary, name="task-summary"),
    path("tasks/<uuid:task_id>/run", views.run_task, name="task-run"),
    path("tasks/<uuid:task_id>/stop", views.stop_task, name="task-stop"),
    path("runs/<uuid:run_id>/events/<int:seq>", views.run_event, name="run-event"),
]
