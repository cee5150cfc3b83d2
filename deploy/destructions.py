"""Destroying again what a keyring restored from an older copy has forgotten the destruction of."""

from __future__ import annotations

from services.identity.erasure.destructions import erasures
from shared.privacy.keyring import Custodian
from shared.runtime.clock import now
from shared.runtime.config import Settings
from shared.runtime.database import connect


def replay_destructions(settings: Settings) -> int:
    """Brings the keyring up to every erasure that identity has recorded; says how many keys were still there."""
    identity = connect(settings.erasures_url, pool_size=1, application_name="operator")
    keyring = connect(settings.keyring_custodian_url, pool_size=1, application_name="operator")
    try:
        with identity.connect() as connection:
            recorded = erasures(connection)
        return Custodian(keyring).replay(recorded, now=now())
    finally:
        identity.dispose()
        keyring.dispose()
