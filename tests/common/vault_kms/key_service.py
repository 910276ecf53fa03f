"""A KMS of moto's, which answers whom it gave leave and whose signature is right, and keeps what it was sent."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from deploy.local.ports import HOST
from libs.common.testing.processes import free_port, tied

REGION, ACCOUNT = "eu-central-1", "123456789012"
US, OPERATOR = "pixera", "operator"
LEAVE = {US: ["kms:Encrypt", "kms:Decrypt"], OPERATOR: ["iam:*"]}
BEFORE_IT_ASKS_WHO = "7"
"""Actions that need no leave: making the key, and the two with theirs."""
STARTS_WITHIN_S = 90
CERTIFICATE = (
    *(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ),
    *("-subj", "/CN=kms", "-addext", f"subjectAltName=IP:{HOST}"),
)


@dataclass
class KeyService:
    """The KMS as an installation knows it, and what only a test may do with it."""

    home: Path
    port: int = field(default_factory=free_port)
    arn: str = ""
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def ca_file(self) -> str:
        return str(self.home / "ca.pem")

    @property
    def told(self) -> dict[str, Any]:
        """Return what an installation's settings say of it."""
        ours = self.credentials[US]
        return {
            "vault_master_key": self.arn,
            "kms_access_key_id": ours["AccessKeyId"],
            "kms_secret_access_key": ours["SecretAccessKey"],
            "kms_endpoint": f"{HOST}:{self.port}",
            "kms_ca_file": self.ca_file,
            "kms_timeout_s": 20.0,
        }

    @contextmanager
    def running(self) -> Iterator["KeyService"]:
        """Run it, with a key, for us who may use it, and an operator who says so."""
        key_file = self.home / "key.pem"
        subprocess.run(
            [*CERTIFICATE, "-keyout", key_file, "-out", self.ca_file], check=True, capture_output=True
        )
        command = (
            *("-m", "moto.server", "-H", HOST, "-p", str(self.port)),
            "-c",
            self.ca_file,
            "-k",
            str(key_file),
        )
        recording = {"MOTO_ENABLE_RECORDING": "true", "MOTO_RECORDER_FILEPATH": str(self.home / "sent")}
        told = {**os.environ, **recording, "INITIAL_NO_AUTH_ACTION_COUNT": BEFORE_IT_ASKS_WHO}
        with (
            (self.home / "log").open("w") as log,
            subprocess.Popen(
                [sys.executable, *command],
                env=told,
                stdout=log,
                stderr=log,
                preexec_fn=tied(),  # noqa: PLW1509 - it makes one call of the kernel, and takes no lock
            ) as self._process,
        ):
            try:
                self._wait()
                self._furnish()
                yield self
            finally:
                self._process.kill()

    def take_leave_away(self) -> None:
        """Let us do nothing any more."""
        self._as_operator().delete_user_policy(UserName=US, PolicyName=US)

    def give_leave(self) -> None:
        """Let us wrap and unwrap again."""
        _allow(self._as_operator(), US)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Accept connections and answer none for the block."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def sent(self) -> list[dict[str, str]]:
        """Return the body of every request to wrap or unwrap."""
        lines = [json.loads(line) for line in (self.home / "sent").read_text().splitlines()]
        return [
            json.loads(base64.b64decode(line["body"]))
            for line in lines
            if line["headers"].get("X-Amz-Target") in {"TrentService.Encrypt", "TrentService.Decrypt"}
        ]

    def _wait(self) -> None:
        until = time.monotonic() + STARTS_WITHIN_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError((self.home / "log").read_text())
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def _furnish(self) -> None:
        self.arn = self._client("kms").create_key()["KeyMetadata"]["Arn"]
        iam = self._client("iam")
        for user in LEAVE:
            iam.create_user(UserName=user)
            _allow(iam, user)
            self.credentials[user] = iam.create_access_key(UserName=user)["AccessKey"]

    def _as_operator(self) -> Any:
        return self._client("iam", self.credentials[OPERATOR])

    def _client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        known = credentials or {"AccessKeyId": "nobody", "SecretAccessKey": "nobody"}
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"https://{HOST}:{self.port}",
            verify=self.ca_file,
            aws_access_key_id=known["AccessKeyId"],
            aws_secret_access_key=known["SecretAccessKey"],
        )


def _allow(iam: Any, user: str) -> None:
    statement = {"Effect": "Allow", "Action": LEAVE[user], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=policy)
