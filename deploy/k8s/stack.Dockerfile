# The servers of `make run` (Kafka, MongoDB, S3, Envoy, mail) with the demo, as one image for overlays/dev: the same
# locked programs from package registries. For development only; in production these are managed elsewhere.
ARG BASE=docker.io/library/python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${BASE}
# uv and requests go by the image's certificates, not by their own: a network may have an authority of its own.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 UV_NO_CACHE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /srv/pixera
COPY pyproject.toml ./
COPY requirements requirements
COPY deploy/__init__.py deploy/
COPY deploy/local deploy/local
RUN python3 deploy/local/bootstrap.py
COPY . .
ENV PATH=/srv/pixera/.venv/bin:$PATH
USER 10001:10001
ENTRYPOINT []
CMD ["python", "-c", "print('name a server: see deploy/k8s/overlays/dev')"]
