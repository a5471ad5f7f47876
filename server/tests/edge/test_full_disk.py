"""A full disk: events are refused long before, and kills find the room that was kept back for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from installation import PRELUDE

from equipoise_server.foundation import reserve

# Inside a mount namespace of its own, on a disk of 120 MB that it then fills to the last byte.
STORY = """
import json
from contextlib import suppress
from pathlib import Path
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from equipoise_server.access import reads
from equipoise_server.access.actions import *
from equipoise_server.audit.values import Author
from equipoise_server.commands.adopting import Adopter
from equipoise_server.commands.break_glass import command
from equipoise_server.flags.actions import CreateFlag, create_flag
from equipoise_server.flags.values import FlagType, FlagVariant
from equipoise_server.foundation import break_glass, reserve

call_command("migrate", verbosity=0)
now = datetime.now(UTC)
operator = Author("machine", "operator", "operator")
user_id = create_user(operator, CreateUser("ada@example.com", "Ada", "long enough", True), now=now)
project = create_project(reads.actor_of_user(user_id), CreateProject("shop", "Shop"), now=now)
actor = reads.actor_of_user(user_id)
variants = (FlagVariant("on", True), FlagVariant("off", False))
for key in ("banner", "button"):
    create_flag(actor, CreateFlag(project.id, key, key, FlagType.BOOLEAN, variants, "off", "on"), now=now)
token = issue_api_token(user_id, "tests", life=timedelta(hours=1), now=now)
adopter = Adopter(settings.DATA_DIRECTORY, clock=lambda: datetime.now(UTC))


def fill(name):
    with (settings.DATA_DIRECTORY / name).open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def kill(flag):
    place = f"/api/v1/projects/shop/flags/{flag}/environments/production/kill"
    headers = {"Authorization": f"Bearer {token}"}
    body = {"reason": "errors"}
    return Client().post(place, body, content_type="application/json", headers=headers).status_code


told = {}
adopter.tick()
told["reserved"] = (settings.DATA_DIRECTORY / "reserve").stat().st_size
fill("filler")
told["free"] = reserve.free_bytes(settings.DATA_DIRECTORY)
told["killed"] = kill("banner")
told["released"] = not (settings.DATA_DIRECTORY / "reserve").exists()
fill("more")
told["without reserve"] = kill("button")
for name in ("filler", "more"):
    (settings.DATA_DIRECTORY / name).unlink()
adopter.tick()
told["reserved again"] = (settings.DATA_DIRECTORY / "reserve").exists()
fill("filler")
target = break_glass.Target("shop", "production", break_glass.Level.FLAG, "button")
break_glass.kill(settings.DATA_DIRECTORY, target, by="ada", reason="errors", at=now.isoformat())
told["broken glass"] = [str(kill.target) for kill in break_glass.read(settings.DATA_DIRECTORY).open]
print(json.dumps(told))
"""


def test_kills_find_room_on_a_full_disk(tmp_path: Path) -> None:
    disk, story = tmp_path / "disk", tmp_path / "story.py"
    disk.mkdir()
    story.write_text(PRELUDE + STORY)
    mounting = (
        f"mount -t tmpfs -o size=120m tmpfs {disk} && EQUIPOISE_DATA={disk} exec {sys.executable} {story}"
    )
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {
        "reserved": reserve.RESERVED_BYTES,
        "free": 0,
        "killed": 200,
        "released": True,
        "without reserve": 503,
        "reserved again": True,
        "broken glass": ["shop › production › flag button"],
    }


def test_room_is_kept_back_only_while_there_is_plenty(tmp_path: Path) -> None:
    free = reserve.free_bytes(tmp_path)
    assert free > 2 * reserve.EASED_BYTES, "this machine's disk is too full to tell"
    assert not reserve.take(tmp_path, size=free)
    assert reserve.take(tmp_path, size=2**20)
    assert not reserve.release_if_scarce(tmp_path), "there is room enough"
    assert reserve.release(tmp_path)
    assert not reserve.release(tmp_path)
