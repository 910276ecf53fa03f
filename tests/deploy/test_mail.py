"""E-mail is kept on this machine and can be read back."""

import smtplib
from email.message import EmailMessage

import httpx

from deploy.local.spawn import RunningStack


def send(stack: RunningStack, to: str, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "pixera@example.com", to, subject
    message.set_content("Grüße <script>: http://127.0.0.1/verify?token=abc")
    with smtplib.SMTP(stack.env["PIXERA_SMTP_HOST"], int(stack.env["PIXERA_SMTP_PORT"])) as smtp:
        smtp.send_message(message)


def test_message_is_found_by_its_recipient(bare_stack: RunningStack) -> None:
    send(bare_stack, "ada@example.com", "Verify your address")
    send(bare_stack, "grace@example.com", "Another")
    answer = httpx.get(f"{bare_stack.gateway}/mail/api/messages", params={"to": "Ada@example.com"})
    (message,) = answer.json()
    assert message["subject"] == "Verify your address"
    assert "Grüße" in message["text"]


def test_page_shows_the_message_and_runs_nothing_of_it(bare_stack: RunningStack) -> None:
    send(bare_stack, "page@example.com", "<b>Bold</b>")
    pages = f"{bare_stack.gateway}/mail/"
    listed = httpx.get(pages).text
    assert "&lt;b&gt;Bold&lt;/b&gt;" in listed
    found = httpx.get(f"{pages}api/messages", params={"to": "page@example.com"}).json()
    shown = httpx.get(f"{pages}{found[0]['id']}").text
    assert '<a href="http://127.0.0.1/verify?token=abc">' in shown
    assert "<script>" not in shown
    assert httpx.get(f"{pages}123").status_code == 404
