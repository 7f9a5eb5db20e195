"""Approvals of releases on the branch `deploy`: one file for each environment and release."""

from __future__ import annotations

from slipway import yaml12
from slipway.environment.spec import FOLDER


def path_of(environment: str, version: str) -> str:
    """Return the path of an approval on the branch; Argo CD does not read this folder."""
    return f"{FOLDER}/approvals/{environment}/{version}.yaml"


def text_of(digest: str) -> str:
    """Return the content of the approval of the release with `digest`."""
    return "# Approval on the branch deploy; its commit names who approved.\n" + yaml12.dump({"digest": digest})
