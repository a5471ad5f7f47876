"""`equipoise-server`: the operator's commands. Each imports what it needs only when it runs."""

# ruff: noqa: PLC0415 - models can be imported only after Django is set up

from __future__ import annotations

import os
from pathlib import Path

import click
import django

from equipoise_server.commands import break_glass, relay
from equipoise_server.commands.demo import demo
from equipoise_server.commands.telling import Telling


@click.group(cls=Telling)
@click.version_option(package_name="equipoise-server")
def main() -> None:
    """Equipoise: self-hosted A/B tests and feature flags."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", envvar="EQUIPOISE_PORT", type=click.IntRange(0, 65_535), default=8000, show_default=True,
    help="Port to listen on.",
)  # fmt: skip
@click.option("--fd", type=click.IntRange(3), help="Number of an open socket to listen on, in place of both.")
def serve(host: str, port: int, fd: int | None) -> None:
    """Serve the dashboard, the management API and the SDKs' door."""
    import socket

    import uvicorn

    _set_up()
    from django.conf import settings

    from equipoise_server.commands import connections, priority

    if settings.FLAGS_FIRST:
        priority.go_first()
    config = uvicorn.Config(
        "equipoise_server.commands.asgi:app", host=host, port=port, http=connections.Connection,
        log_level="warning", access_log=False, timeout_graceful_shutdown=10, server_header=False,
    )  # fmt: skip
    connections.run(config, None if fd is None else [socket.socket(fileno=fd)])


@main.command()
def worker() -> None:
    """Do due work: store events, refresh reports, react to guardrails. Several may run."""
    _set_up()
    from equipoise_server.commands.worker import run_worker

    run_worker()


@main.command()
def migrate() -> None:
    """Create or update the configuration store's tables."""
    _set_up()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    click.echo("The configuration store is up to date.")


@main.command("create-admin")
@click.option("--email", prompt="E-mail")
@click.option("--name", prompt="Name")
@click.password_option(envvar="EQUIPOISE_ADMIN_PASSWORD", help="At least 10 characters.")
def create_admin(email: str, name: str, password: str) -> None:
    """Create a person who may create projects."""
    _set_up()
    from django.utils import timezone

    from equipoise_server.access.actions import CreateUser, create_user
    from equipoise_server.audit.values import Author
    from equipoise_server.foundation.refusals import Refusal

    operator = Author("machine", "operator", "operator")
    command = CreateUser(email, name, password, may_create_projects=True)
    try:
        create_user(operator, command, now=timezone.now())
    except Refusal as refusal:
        raise click.ClickException("\n".join(problem.message for problem in refusal.problems)) from refusal
    click.echo(f"{email} can sign in now.")


@main.command("create-token")
@click.option("--email", required=True, help="Whose token; it can do what this person can.")
@click.option("--name", required=True, help="What it is for, such as the pipeline's name.")
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True, help="How long it lives.")
def create_token(email: str, name: str, days: int) -> None:
    """Print a management token for the API and the command line. It is shown this once."""
    _set_up()
    from datetime import timedelta

    from django.utils import timezone

    from equipoise_server.access.actions import issue_api_token
    from equipoise_server.access.models import User

    person = User.objects.filter(email__iexact=email, is_active=True).first()
    if person is None:
        raise click.ClickException(f"Nobody with the address {email} has an account here.")
    click.echo(issue_api_token(person.pk, name, life=timedelta(days=days), now=timezone.now()))


@main.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
def backup(target: Path) -> None:
    """Copy the embedded configuration store to a file, while the server runs."""
    from equipoise_server.commands.backups import NotPossible
    from equipoise_server.commands.backups import backup as copied

    try:
        size = copied(_embedded_store(), target)
    except (NotPossible, OSError) as cause:
        raise click.ClickException(str(cause)) from cause
    click.echo(f"{target} holds the configuration store: {size:,} bytes.")


@main.command()
@click.argument("source", type=click.Path(dir_okay=False, path_type=Path))
def restore(source: Path) -> None:
    """Put a backup in place of the embedded configuration store. Stop serve and worker first."""
    from equipoise_server.commands.backups import NotPossible
    from equipoise_server.commands.backups import restore as put_back

    try:
        put_back(source, _embedded_store())
    except (NotPossible, OSError) as cause:
        raise click.ClickException(str(cause)) from cause
    _begin_epochs(migrates=True)


@main.command("new-epoch")
def new_epoch() -> None:
    """Begin a new epoch of every environment: after restoring PostgreSQL from a backup."""
    _begin_epochs(migrates=False)


@main.command("signing-key")
@click.option("--make", is_flag=True, help="Make a key first, in the file that EQUIPOISE_SIGNING_KEY names.")
def signing_key(*, make: bool) -> None:
    """Print the public key of EQUIPOISE_SIGNING_KEY, for the `verify_keys` of SDKs."""
    from equipoise_server.edge.signing import UnusableKey, load_signer, make_key

    named = os.environ.get("EQUIPOISE_SIGNING_KEY", "")
    if not named:
        raise click.ClickException("Set EQUIPOISE_SIGNING_KEY to the path of the private key's file.")
    try:
        if make:
            make_key(Path(named))
        signer = load_signer(Path(named))
    except (UnusableKey, OSError) as cause:
        raise click.ClickException(str(cause)) from cause
    click.echo(f"key id {signer.key_id}, public key {signer.public_key}")


def _set_up() -> None:
    """Know the product's models, and make what is not there yet for its owner alone."""
    django.setup()
    from django.conf import settings

    from equipoise_server.foundation.private_files import make_directory, make_file

    make_directory(settings.DATA_DIRECTORY)
    store = _sqlite_store()
    if store is not None and ":" not in store.name and store.parent.is_dir():  # none in memory
        make_file(store)  # SQLite gives its journals the mode of the store


def _sqlite_store() -> Path | None:
    from django.conf import settings

    database = settings.DATABASES["default"]
    return Path(str(database["NAME"])) if str(database["ENGINE"]).endswith("sqlite3") else None


def _embedded_store() -> Path:
    django.setup()
    store = _sqlite_store()
    if store is None:
        told = "The store is PostgreSQL: use pg_dump and pg_restore, then “equipoise-server new-epoch”."
        raise click.ClickException(told)
    return store


def _begin_epochs(*, migrates: bool) -> None:
    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from equipoise_server.commands.backups import begin_epochs

    if migrates:
        call_command("migrate", interactive=False, verbosity=0)
    count = begin_epochs(now=timezone.now())
    click.echo(f"{count} environments begin a new epoch: clients take what they get now for newer.")


main.add_command(demo)
main.add_command(break_glass.command)
main.add_command(relay.command)

if __name__ == "__main__":
    main()
