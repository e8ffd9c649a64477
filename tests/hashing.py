"""How tests hash passwords."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """As production hashes, but a thousand times cheaper: the tests sign in some two thousand times."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
