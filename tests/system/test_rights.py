"""Permissions on the running product: a member of the group Administrator cannot exceed them."""

import re

import httpx
import pytest

from tests.product import Product
from tests.servers import wait_until

pytestmark = pytest.mark.system

PASSWORD = "a-long-password-of-ada"
MAKE_ADA = f"""
from django.contrib.auth.models import Group, User
from mission_control.models import AccessToken
ada, _ = User.objects.get_or_create(username="ada-the-administrator", defaults={{"is_staff": True}})
ada.set_password({PASSWORD!r})
ada.save()
ada.groups.set(Group.objects.filter(name="Administrator"))
root = User.objects.get(username="admin")
print(ada.pk, ada.groups.get().pk, root.pk, AccessToken.objects.filter(user=root).values_list("pk", flat=True)[0])
"""


class Visitor:
    """A browser without scripts: it keeps cookies and sends back the token of each form."""

    def __init__(self, product: Product, username: str, password: str) -> None:
        self.client = httpx.Client(base_url=product.url, timeout=60)
        page = self.post("/admin/login/", username=username, password=password)
        assert page.status_code == 302, page.text

    def post(self, path: str, at: str | None = None, **fields: object) -> httpx.Response:
        form = self.client.get(at or path).text
        [token, *_] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        return self.client.post(path, data={"csrfmiddlewaretoken": token, **fields})


@pytest.fixture
def ada(product):
    keys = product.shell(MAKE_ADA).split()
    return (Visitor(product, "ada-the-administrator", PASSWORD), *keys)


def test_an_administrator_cannot_make_itself_or_become_a_superuser(product, ada):
    visitor, own, group, root, roots_token = ada
    form = {
        "username": "ada-the-administrator",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": group,
    }
    form |= {f"{name}_{half}": "" for name in ("date_joined", "last_login") for half in (0, 1)}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
    visitor.post(f"/admin/auth/user/{own}/change/", **form)

    new_password = {"usable_password": "true", "password1": "x-y-z-x-y-z", "password2": "x-y-z-x-y-z"}
    anywhere = f"/admin/auth/user/{own}/password/"
    assert visitor.post(f"/admin/auth/user/{root}/password/", at=anywhere, **new_password).status_code == 403
    assert visitor.post(f"/admin/auth/user/{root}/change/", at=anywhere, **form).status_code == 403
    assert visitor.post(f"/admin/auth/user/{root}/delete/", at=anywhere, post="yes").status_code == 403

    tokens = "/admin/mission_control/accesstoken/"
    made = visitor.post(f"{tokens}add/", user=root, name="mine now")
    assert "would give you rights that you do not have" in made.text
    chosen = {"action": "delete_selected", "_selected_action": roots_token, "post": "yes"}
    assert visitor.post(tokens, at=f"{tokens}add/", **chosen).status_code == 403

    for name in ("schedule", "success", "failure", "ormq"):
        assert visitor.client.get(f"/admin/django_q/{name}/").status_code == 404
    left = product.shell(
        "from django.contrib.auth.models import User; from mission_control.models import AccessToken\n"
        f"print(*(User.objects.get(pk=pk).is_superuser for pk in ({root}, {own})), "
        f"AccessToken.objects.filter(pk={roots_token!r}).exists(), "
        f"AccessToken.objects.filter(name='mine now').exists())"
    )
    assert left.strip() == "True False True False"
    assert product.get("/tasks")["count"] >= 0  # the superuser's token still works


@pytest.mark.exhaustive
def test_a_worker_calls_no_function_but_the_products_jobs(product, tmp_path):
    touched = tmp_path / "touched"
    product.shell(
        "from django.utils import timezone\nfrom django_q.models import Schedule\n"
        "from django_q.tasks import async_task\n"
        f"async_task('os.system', 'touch {touched}', broker=None)\n"
        f"async_task('mission_control.jobs.mark_offline', hook='os.system')\n"
        f"Schedule.objects.create(func='os.system', args=repr('touch {touched}'), schedule_type='O', "
        "next_run=timezone.now())"
    )
    count = "from django_q.models import OrmQ, Schedule; print(OrmQ.objects.count(), "
    count += "Schedule.objects.filter(func='os.system').count())"
    wait_until(lambda: product.shell(count).split() == ["0", "0"], seconds=90, what="the queue to be empty")
    run = product.run(product.new_task(), product.new_rehearser(3))
    assert product.ended(run)["status"] == "completed", "the worker goes on"
    assert not touched.exists()
    assert (
        "'os.system' is not a job of this product" in (product.data_dir / "logs/mission_control.log").read_text()
    )
