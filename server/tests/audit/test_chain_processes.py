"""Processes that write at the same time write one chain."""

from __future__ import annotations

import pytest
from installation import LONGEST_SECONDS, Installation, an_installation

EACH = 12

WRITE = """
from django.conf import settings
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
from equipoise_server.access.actions import CreateUser, create_user
from equipoise_server.audit.values import Author
for number in range(int(sys.argv[2])):
    command = CreateUser(f"{sys.argv[1]}{number}@example.com", "Somebody", "long enough")
    create_user(Author("machine", sys.argv[1], sys.argv[1]), command, now=datetime.now(UTC))
"""
VERIFY = """
from equipoise_server.audit import reads
from equipoise_server.audit.models import AuditRecord
print(AuditRecord.objects.count(), reads.chain_fault())
"""


@pytest.fixture
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A database of its own."""
    return an_installation(tmp_path_factory.mktemp("installation"))


def test_two_writers_make_one_unbroken_chain(installation: Installation) -> None:
    writers = [installation.start(WRITE, name, str(EACH)) for name in ("ada", "bea")]
    for writer in writers:
        writer.communicate(timeout=LONGEST_SECONDS)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert installation.run(VERIFY).split() == [str(2 * EACH), "None"]
