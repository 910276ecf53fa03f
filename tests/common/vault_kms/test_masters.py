"""What the setting of a master key may say, and what is answered to what it may not."""

import base64
import secrets

import pytest
from pydantic import SecretStr

from libs.common.vault.masters import BadMasterKey, KmsAccess, masters

ARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ACCESS = KmsAccess({"accessKeyId": "id", "secretAccessKey": "secret"}, "kms.example:8443", "/ca.pem")
LOCAL = base64.b64encode(secrets.token_bytes(96)).decode()


def test_an_arn_is_a_master_that_the_kms_has() -> None:
    both = masters(SecretStr(f"{ARN}, {LOCAL}"), ACCESS)
    assert both.current_in_kms == {"region": "eu-central-1", "key": ARN, "endpoint": "kms.example:8443"}
    assert both.providers[both.current] == ACCESS.credentials
    assert both.tls == {both.current: {"tlsCAFile": "/ca.pem"}}
    assert masters(SecretStr(f"{LOCAL},{ARN}"), ACCESS).current_in_kms is None
    assert masters(SecretStr(ARN), KmsAccess(ACCESS.credentials)).current == both.current, "wherever it is"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:kms:eu-central-1:123456789012:alias/pixera",
        "arn:aws:kms::123456789012:key/1234",
        "arn:aws:s3:eu-central-1:123456789012:key/1234",
        "arn:aws:kms:eu-central-1:123456789012:key/1234/5",
    ],
)
def test_what_is_no_key_of_a_kms_is_refused(arn: str) -> None:
    with pytest.raises(BadMasterKey, match="arn:aws:kms:<region>:<account>:key/<id>"):
        masters(SecretStr(arn), ACCESS)


def test_an_arn_without_credentials_is_refused() -> None:
    with pytest.raises(BadMasterKey, match="PIXERA_KMS_ACCESS_KEY_ID"):
        masters(SecretStr(ARN))
