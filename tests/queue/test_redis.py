"""Redis is for the server profile; processes of the embedded profile spend no memory on its client."""

import os
import subprocess
import sys

from tests.product import CHECKOUT

# What the watchdog imports before it forks workers, reaper and cluster.
WORKER = """
import sys, django
django.setup()
from pocketpaw_site.supervisor.watchdog import import_shared_modules
import_shared_modules()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"redis", "channels_redis", "daphne", "twisted"}))
"""


def test_a_worker_without_redis_loads_neither_its_client_nor_the_web_server(tmp_path):
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DATABASE_URL"}},
        "DJANGO_SETTINGS_MODULE": "pocketpaw_site.settings",
        "MISSION_CONTROL_DATA_DIR": str(tmp_path),
        "MISSION_CONTROL_ENV_FILE": "",
        "MISSION_CONTROL_PROCESS": "worker",
    }
    worker = subprocess.run(
        [sys.executable, "-c", WORKER], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    assert worker.stdout.strip() == "[]"
