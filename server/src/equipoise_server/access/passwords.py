"""Signing in with e-mail and password, for Django's session machinery."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest

from equipoise_server.access.models import User


class PasswordBackend:
    """Checks a password; an unknown address costs the same time as a wrong password."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002  # the signature Django calls
        email: str | None = None,
        password: str | None = None,
    ) -> User | None:
        """The person with this address and password, if any."""
        if email is None or password is None:
            return None
        user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
        if user is None:
            make_password(password)
            return None
        return user if check_password(password, user.password) else None

    def get_user(self, user_id: UUID) -> User | None:
        """The signed-in person of a session, while still active."""
        return User.objects.filter(pk=user_id, is_active=True).first()
