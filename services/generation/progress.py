"""Live progress: one change stream a process, fanned out to whoever watches; nobody polls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import contextmanager
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from libs.common.mongo import Mongo
from services.generation.metrics import WATCHERS
from services.generation.models import Job
from services.generation.repository import JobRepository

PIPELINE = [
    {"$match": {"operationType": {"$in": ["update", "replace", "delete"]}}},
    {"$project": {"documentKey": 1}},
]
"""Only that a job changed is asked for, never what is in it: prompts stay where they are stored."""
