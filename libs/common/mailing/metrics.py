"""How mails leave. Labels are bounded and never personal."""

from prometheus_client import Counter, Histogram

MAILS = Counter("pixera_mails", "Mails handed to the mail server.", ("kind", "outcome"))
MAIL_SECONDS = Histogram("pixera_mail_seconds", "Time to hand over one mail.")
