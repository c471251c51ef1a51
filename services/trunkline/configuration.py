"""Every group of settings that there is, whichever services a process runs."""

from __future__ import annotations

from trunkline.credential.settings import CredentialSettings
from trunkline.inference.settings import InferenceSettings
from trunkline.kernel.database.settings import DatabaseSettings
from trunkline.kernel.network import NetworkSettings
from trunkline.kernel.settings import ProcessSettings, Settings

SETTINGS: tuple[type[Settings], ...] = (
    ProcessSettings,
    NetworkSettings,
    DatabaseSettings,
    CredentialSettings,
    InferenceSettings,
)
