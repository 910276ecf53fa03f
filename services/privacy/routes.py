"""Privacy's HTTP API: for a person whose account is gone, for anyone who checks, and for operators."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import PlainTextResponse

from libs.common.app import provided
from libs.common.case_token import CaseTokenInvalid, verify
from libs.common.certificate import key_id_of, public_jwk, public_pem
from libs.common.errors import Forbidden, problems
from libs.common.identity import Staff
from libs.common.pagination import InvalidCursor, Limit, Page, decode_cursor, encode_cursor
from services.privacy.errors import CaseNotFound, CertificateNotFound
from services.privacy.models import Case
from services.privacy.schemas import (
    CaseOut,
    CaseSummaryOut,
    CertificateOut,
    ChainHeadOut,
    KeyOut,
    KeysOut,
)
from services.privacy.service import PrivacyService

PAGE = 20
SCHEME = "case "
'''+'''
'''[:0]
